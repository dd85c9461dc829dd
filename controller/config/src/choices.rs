//! Options that are one of a few names, the usual one first. What a name does is told by whoever knows it; tests compare the lists there with
//! those here.

/// One of a few names.
pub(super) trait Choice: Sized {
    /// By the name in configs.
    fn of(name: &str) -> Option<Self>;
    /// As in configs.
    fn name(&self) -> &'static str;
}

macro_rules! choices {
    ($(#[$doc:meta])* $choice:ident {
        $(#[$usual_note:meta])* $usual:ident = $usual_name:literal,
        $($(#[$note:meta])* $variant:ident = $name:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub enum $choice {
            $(#[$usual_note])* #[default] $usual,
            $($(#[$note])* $variant,)*
        }

        impl $choice {
            /// In the order in which they are shown.
            pub const ALL: &'static [Self] = &[Self::$usual, $(Self::$variant),*];
            /// As in configs.
            pub const NAMES: &'static [&'static str] = &[$usual_name, $($name),*];

            /// As in configs.
            pub fn name(self) -> &'static str {
                match self {
                    Self::$usual => $usual_name,
                    $(Self::$variant => $name,)*
                }
            }
        }

        impl Choice for $choice {
            fn of(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|c| c.name() == name)
            }

            fn name(&self) -> &'static str {
                (*self).name()
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
    /// Where machines come from.
    ProviderKind {
        /// The best of the others that makes machines here.
        Auto = "auto",
        /// Virtual machines of libvirt.
        Qemu = "qemu",
        /// User Mode Linux.
        Uml = "uml",
        /// Processes of this machine.
        Local = "local",
    }
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
        /// By kubeadm, to measure how applications come to run.
        KubeControl = "kubecontrol",
    }
}

choices! {
    /// What carries the applications of a cluster.
    KubeDeployment {
        /// One Job with a pod for each.
        Pod = "pod",
        /// One pod with a container for each.
        Container = "container",
        /// A Job for each, one after the other.
        File = "file",
        /// A Job for each, all at once.
        Call = "call",
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
    OpenFaasDistribution {
        /// Our own.
        Builtin = "builtin",
        /// The real one, by the user's references.
        Upstream = "upstream",
    }
}

choices! {
    ApplicationKind {
        ImageClassification = "image_classification",
        /// Nothing but a start and an end.
        Empty = "empty",
        /// The user's own containers.
        Container = "container",
        /// Functions through a gateway.
        Functions = "functions",
        /// A busy core.
        Stress = "stress",
        /// Memory that running takes.
        MemUsage = "mem_usage",
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
        /// The same with wireless links as they were recorded in the United States.
        FourthGenerationTrace = "4g_us_verizon_mahimahi",
        /// As recorded in an older network there.
        EvolutionTrace = "evdo_us_verizon_mahimahi",
    }
}

impl Preset {
    /// Wireless links follow a recording.
    pub fn is_trace(self) -> bool {
        matches!(self, Self::FourthGenerationTrace | Self::EvolutionTrace)
    }
}
