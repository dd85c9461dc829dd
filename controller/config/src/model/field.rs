//! How an option gets into a config and out of it again.

use super::Config;
use crate::{
    choices::Choice, entry::Value, function_load::FunctionLoad, link_override::LinkOverride,
    timeline::TimelineStep,
};
use continuum_model::Prefixes;

/// Both ways.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access {
    /// Puts in a value of the option's type; one that has no place in this config is dropped.
    pub(crate) put: fn(&mut Config, &Value),
    /// What is in force; `None` = nothing is shown.
    pub(crate) get: fn(&Config) -> Option<Value>,
}

impl Access {
    /// Shown only: somebody else puts it in.
    pub(crate) const fn shown(get: fn(&Config) -> Option<Value>) -> Self {
        Self {
            put: |_, _| (),
            get,
        }
    }
}

/// Access by the path of a field.
macro_rules! field {
    ($($field:ident).+) => {
        $crate::model::field::Access {
            put: |config, value| $crate::model::field::Field::put(&mut config.$($field).+, value),
            get: |config| $crate::model::field::Field::get(&config.$($field).+),
        }
    };
}
pub(crate) use field;

/// Access to what some applications have.
macro_rules! own {
    ($($application:ident)|+, $own:ident => $place:expr) => {
        $crate::model::field::Access {
            put: |config, value| match config.benchmark.as_mut().map(|run| &mut run.application) {
                $(Some($crate::ApplicationConfig::$application($own)) => {
                    $crate::model::field::Field::put(&mut $place, value);
                })+
                _ => {}
            },
            get: |config| match &config.benchmark.as_ref()?.application {
                $($crate::ApplicationConfig::$application($own) => {
                    $crate::model::field::Field::get(&$place)
                })+
                _ => None,
            },
        }
    };
}
pub(crate) use own;

/// The type of a field.
pub(crate) trait Field {
    /// Takes a value of the right type; leaves itself as it is if it is none.
    fn put(&mut self, value: &Value);
    /// `None` = there is none.
    fn get(&self) -> Option<Value>;
}

macro_rules! fields {
    ($($type:ty: $value:ident($it:ident) => $put:expr, $shown:ident => $get:expr;)+) => {
        $(impl Field for $type {
            fn put(&mut self, value: &Value) {
                if let Value::$value($it) = value {
                    *self = $put;
                }
            }
            fn get(&self) -> Option<Value> {
                let $shown = self;
                $get
            }
        })+
    };
}

fields! {
    bool: Bool(it) => *it, own => Some(Value::Bool(*own));
    u8: Int(it) => *it as Self, own => Some(Value::Int((*own).into()));
    u32: Int(it) => *it as Self, own => Some(Value::Int((*own).into()));
    f64: Float(it) => *it, own => Some(Value::Float(*own));
    String: Text(it) => it.clone(), own => Some(Value::Text(own.clone()));
    Option<Prefixes>: Text(it) => it.parse().ok(), own => own.map(|p| Value::Text(p.to_string()));
    Vec<String>: List(it) => it.clone(), own => texts(own);
    Vec<TimelineStep>: Timeline(it) => it.clone(), own => texts(own);
    Vec<FunctionLoad>: Functions(it) => it.clone(), own => texts(own);
    Vec<LinkOverride>: Overrides(it) => it.clone(), own => texts(own);
}

fn texts<T: std::fmt::Display>(all: &[T]) -> Option<Value> {
    let texts = all.iter().map(ToString::to_string);
    (!all.is_empty()).then(|| Value::List(texts.collect()))
}

impl Field for u64 {
    fn put(&mut self, value: &Value) {
        match value {
            Value::Int(n) => *self = *n as Self,
            // Memory in MiB is a float once it is checked: a `.cfg` gives it in gigabytes.
            Value::Float(n) => *self = *n as Self,
            _ => {}
        }
    }
    fn get(&self) -> Option<Value> {
        Some(Value::Int(*self as i64))
    }
}

impl<T: Field + Default> Field for Option<T> {
    fn put(&mut self, value: &Value) {
        self.get_or_insert_default().put(value);
    }
    fn get(&self) -> Option<Value> {
        self.as_ref()?.get()
    }
}

impl<T: Choice> Field for T {
    fn put(&mut self, value: &Value) {
        if let Value::Text(name) = value
            && let Some(choice) = T::of(name)
        {
            *self = choice;
        }
    }
    fn get(&self) -> Option<Value> {
        Some(Value::Text(self.name().to_owned()))
    }
}
