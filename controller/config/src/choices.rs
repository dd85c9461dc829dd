//! Options that are one of a few names. What a name does is told by whoever knows it; tests compare the lists there with
//! those here.

/// One of a few names.
pub(super) trait Choice: Sized {
    /// By the name in configs.
    fn of(name: &str) -> Option<Self>;
}

macro_rules! choices {
    ($(#[$doc:meta])* $choice:ident { $($(#[$note:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $choice {
            $($(#[$note])* $variant,)+
        }

        impl $choice {
            /// In the order in which they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// As in configs.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// As in configs.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl Choice for $choice {
            fn of(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|c| c.name() == name)
            }
        }

        impl std::fmt::Display for $choice {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl serde::Serialize for $choice {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}

choices! {
    /// Who places applications.
    ManagerKind {
        /// Nobody: endpoints work alone.
        None = "none",
        /// Agents start the workers on edges, each with a broker.
        Mist = "mist",
        /// By kubeadm.
        Kubernetes = "kubernetes",
        /// Edges without a kubelet.
        KubeEdge = "kubeedge",
    }
}

choices! {
    /// What comes on top of a resource manager.
    ExecutionModelKind {
        /// Functions behind a gateway.
        OpenFaas = "openfaas",
    }
}

choices! {
    /// Which gateway.
    OpenFaasDistribution {
        /// Our own.
        Builtin = "builtin",
        /// The real one, by the user's references.
        Upstream = "upstream",
    }
}

choices! {
    /// What is run.
    ApplicationKind {
        /// Photos.
        ImageClassification = "image_classification",
        /// Nothing but a start and an end.
        Empty = "empty",
        /// The user's own containers.
        Container = "container",
        /// Functions through a gateway.
        Functions = "functions",
    }
}

choices! {
    /// MQTT broker of each worker.
    Broker {
        /// In the agent.
        Rumqttd = "rumqttd",
        /// From Debian packages.
        Mosquitto = "mosquitto",
    }
}

choices! {
    /// MQTT broker that `KubeEdge`'s devices use.
    EventBus {
        /// The node's.
        External = "external",
        /// One of edgecore's own.
        Internal = "internal",
    }
}

choices! {
    /// Where agents run applications.
    Runtime {
        /// As processes.
        Native = "native",
        /// In containers, without fetching anything.
        Containerd = "containerd",
        /// In containers.
        Docker = "docker",
    }
}

choices! {
    /// How guests of provider `qemu` run.
    AcceleratorChoice {
        /// KVM where it works.
        Auto = "auto",
        /// On the processor.
        Kvm = "kvm",
        /// Emulated.
        Tcg = "tcg",
    }
}

choices! {
    /// Where latencies and rates come from.
    Preset {
        /// From the config alone.
        None = "none",
        /// Upstream's table.
        FourthGeneration = "4g",
        /// The same with another rate of wireless links.
        FifthGeneration = "5g",
    }
}
