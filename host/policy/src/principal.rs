//! Who is asked for, and who signed.

use std::fmt;

use cordon_types::MspId;

/// The role that a principal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Any identity of the organisation.
    Member,
    /// An administrator.
    Admin,
    /// A client.
    Client,
    /// A host.
    Peer,
    /// An orderer.
    Orderer,
}

/// The one role that an identity has, from its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignerRole {
    /// No role of its own: its organisation does not use role units. Satisfies `member` only.
    Member,
    /// An administrator.
    Admin,
    /// A client.
    Client,
    /// A host.
    Peer,
    /// An orderer.
    Orderer,
}

/// Whom one mention in an endorsement policy asks for; `Display` gives `MSPID.role`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Principal {
    /// The organisation.
    pub msp_id: MspId,
    /// The role within it.
    pub role: Role,
}

/// An identity whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signer {
    /// Tells identities apart; signers with the same key count once. Not a hash of the certificate
    /// as sent: one person's certificate has several encodings (`WIRE.md` section 7).
    pub identity_key: [u8; 32],
    /// The organisation.
    pub msp_id: MspId,
    /// The role within it.
    pub role: SignerRole,
}

// === impl Role ===

impl Role {
    pub(crate) const ALL: [Self; 5] = [
        Self::Member,
        Self::Admin,
        Self::Client,
        Self::Peer,
        Self::Orderer,
    ];

    /// The role as policy text writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Client => "client",
            Self::Peer => "peer",
            Self::Orderer => "orderer",
        }
    }

    /// Whether an identity with role `held` is one of those asked for.
    pub const fn includes(self, held: SignerRole) -> bool {
        matches!(
            (self, held),
            (Self::Member, _)
                | (Self::Admin, SignerRole::Admin)
                | (Self::Client, SignerRole::Client)
                | (Self::Peer, SignerRole::Peer)
                | (Self::Orderer, SignerRole::Orderer)
        )
    }
}

// === impl Principal ===

impl Principal {
    /// Whether an identity of `msp_id` with role `held` is asked for here.
    pub fn includes(&self, msp_id: &MspId, held: SignerRole) -> bool {
        self.msp_id == *msp_id && self.role.includes(held)
    }

    /// Whether one identity can be asked for by both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.msp_id == other.msp_id
            && (self.role == other.role || self.role == Role::Member || other.role == Role::Member)
    }

    /// Reads `MSPID.role`. The role follows the last dot: an MSP id may hold dots.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let (msp_id, role) = text.rsplit_once('.')?;
        let role = Role::ALL.into_iter().find(|r| r.as_str() == role)?;
        Some(Self {
            msp_id: msp_id.parse().ok()?,
            role,
        })
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.msp_id, self.role.as_str())
    }
}
