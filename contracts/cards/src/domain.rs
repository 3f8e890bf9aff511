//! The rules of medical cards: whose child it is, who has access, and what is refused.
//!
//! Each rule checks its input, then the caller, and only then reads a record. Rules know nothing of
//! WIT or JSON and run on any [`World`]; errors name fields as clients write them. Roles are no
//! matter of theirs: access policies decide those before the contract runs.
//!
//! Source: the NIX parent–hospital–school network.

pub mod agreements;
pub mod cards;
pub mod children;
pub mod entries;
pub mod forms;

use cordon_sdk::World;

use crate::error::CardsError;

/// What a rule gives: an answer or a refusal.
pub type Result<T> = std::result::Result<T, CardsError>;

/// A caller who has a name.
struct Actor {
    organization: String,
    /// Enrollment id, never empty.
    name: String,
}

impl Actor {
    fn of(world: &impl World) -> Result<Self> {
        let caller = world.caller();
        caller.require_enrollment_id()?;
        Ok(Self {
            organization: caller.msp_id,
            name: caller.enrollment_id,
        })
    }

    fn is(&self, organization: &str, name: &str) -> bool {
        self.organization == organization && self.name == name
    }
}

#[cfg(test)]
mod tests;
