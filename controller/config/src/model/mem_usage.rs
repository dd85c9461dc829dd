//! Application `mem_usage`: it has no options.

/// Programs that do nothing but be there.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MemUsage;
