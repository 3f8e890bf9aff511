//! The states of an agreement between a child's parent and a hospital, and who may change them how.
//! Knows neither records nor callers: the rules tell it on which side the caller stands.
//!
//! Source: the NIX parent–hospital–school network, where a pediatrician gains access to a card by
//! the hospital's acceptance of what the parent signed.

use serde::{Deserialize, Serialize};

/// State of an agreement. A child without any has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// The parent signed; the hospital has not answered.
    Signed,
    /// The hospital accepted: the pediatrician has access.
    Accepted,
    /// The hospital refused.
    Refused,
    /// One side ended it, or the parent withdrew it.
    Ended,
}

/// The two sides of an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The parent who registered the child.
    Parent,
    /// Staff of the hospital that the agreement names.
    Hospital,
}

/// What can be done to an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Sign a new one.
    Sign,
    /// Accept what was signed.
    Accept,
    /// Refuse what was signed.
    Refuse,
    /// End it, or withdraw it.
    End,
}

/// Why a move is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// The move belongs to the other side.
    #[error("A parent signs agreements, and the hospital answers them.")]
    OtherSide,
    /// There is no agreement to move.
    #[error("You have no agreement about this child.")]
    NoAgreement,
    /// A new agreement while there is one in force or waiting.
    #[error("This child has an agreement already: end it before you sign another one.")]
    Running,
    /// An answer to an agreement that waits for none.
    #[error("This agreement is not waiting for an answer.")]
    NotWaiting,
    /// The hospital ends what it never accepted.
    #[error("This agreement is not accepted yet: refuse it instead.")]
    NotAccepted,
    /// The end of what is over.
    #[error("This agreement is refused or ended already.")]
    Over,
}

/// The state after a move.
///
/// # Errors
/// [`MoveError`], when this side may not make the move in this state.
pub fn next(state: Option<Status>, side: Side, made: Move) -> Result<Status, MoveError> {
    use Status::{Accepted, Ended, Refused, Signed};
    match (made, side, state) {
        (Move::Sign, Side::Parent, None | Some(Refused | Ended)) => Ok(Signed),
        (Move::Sign, Side::Parent, Some(Signed | Accepted)) => Err(MoveError::Running),

        (Move::Accept, Side::Hospital, Some(Signed)) => Ok(Accepted),
        (Move::Refuse, Side::Hospital, Some(Signed)) => Ok(Refused),
        (Move::Accept | Move::Refuse, Side::Hospital, Some(Accepted | Refused | Ended)) => {
            Err(MoveError::NotWaiting)
        }

        (Move::End, Side::Parent, Some(Signed | Accepted))
        | (Move::End, Side::Hospital, Some(Accepted)) => Ok(Ended),
        (Move::End, Side::Hospital, Some(Signed)) => Err(MoveError::NotAccepted),
        (Move::End, _, Some(Refused | Ended)) => Err(MoveError::Over),

        (Move::Sign, Side::Hospital, _) | (Move::Accept | Move::Refuse, Side::Parent, _) => {
            Err(MoveError::OtherSide)
        }
        (Move::Accept | Move::Refuse | Move::End, _, None) => Err(MoveError::NoAgreement),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the machine does what the specification lists, and nothing else. Method: all 40 cases
    /// against the list.
    #[test]
    fn exactly_the_moves_of_the_specification_are_possible() {
        use Status::{Accepted, Ended, Refused, Signed};
        let possible = [
            (None, Side::Parent, Move::Sign, Signed),
            (Some(Refused), Side::Parent, Move::Sign, Signed),
            (Some(Ended), Side::Parent, Move::Sign, Signed),
            (Some(Signed), Side::Hospital, Move::Accept, Accepted),
            (Some(Signed), Side::Hospital, Move::Refuse, Refused),
            (Some(Signed), Side::Parent, Move::End, Ended),
            (Some(Accepted), Side::Parent, Move::End, Ended),
            (Some(Accepted), Side::Hospital, Move::End, Ended),
        ];
        for state in [
            None,
            Some(Signed),
            Some(Accepted),
            Some(Refused),
            Some(Ended),
        ] {
            for side in [Side::Parent, Side::Hospital] {
                for made in [Move::Sign, Move::Accept, Move::Refuse, Move::End] {
                    let listed = possible
                        .iter()
                        .find(|(from, by, with, _)| (*from, *by, *with) == (state, side, made))
                        .map(|(.., to)| *to);
                    assert_eq!(next(state, side, made).ok(), listed);
                }
            }
        }
    }
}
