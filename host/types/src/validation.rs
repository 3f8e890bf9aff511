//! The verdict on each transaction of a block.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// Fabric's `TxValidationCode`: why a transaction took effect or did not.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum ValidationCode { $($(#[$doc])* $name = $number,)* }

        impl ValidationCode {
            /// The code with this number on the wire.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// Fabric's name, for example `MVCC_READ_CONFLICT`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// The writes took effect.
    Valid = 0, "VALID";
    /// The envelope is empty.
    NilEnvelope = 1, "NIL_ENVELOPE";
    /// The envelope's payload cannot be decoded.
    BadPayload = 2, "BAD_PAYLOAD";
    /// The header is missing, or a field of it is not what it must be.
    BadCommonHeader = 3, "BAD_COMMON_HEADER";
    /// The creator is not a valid member, or its signature does not fit.
    BadCreatorSignature = 4, "BAD_CREATOR_SIGNATURE";
    /// The transaction does not fit its own proposal.
    InvalidEndorserTransaction = 5, "INVALID_ENDORSER_TRANSACTION";
    /// A configuration transaction that is not acceptable.
    InvalidConfigTransaction = 6, "INVALID_CONFIG_TRANSACTION";
    /// The payload is of a kind that is not supported.
    UnsupportedTxPayload = 7, "UNSUPPORTED_TX_PAYLOAD";
    /// The transaction id is not the hash of nonce and creator.
    BadProposalTxid = 8, "BAD_PROPOSAL_TXID";
    /// A transaction with this id is on the ledger already.
    DuplicateTxid = 9, "DUPLICATE_TXID";
    /// The endorsements do not satisfy the endorsement policy.
    EndorsementPolicyFailure = 10, "ENDORSEMENT_POLICY_FAILURE";
    /// A key read has changed since.
    MvccReadConflict = 11, "MVCC_READ_CONFLICT";
    /// A range scanned would give something else now.
    PhantomReadConflict = 12, "PHANTOM_READ_CONFLICT";
    /// The header names a type of transaction that is not known.
    UnknownTxType = 13, "UNKNOWN_TX_TYPE";
    /// The transaction names another channel.
    TargetChainNotFound = 14, "TARGET_CHAIN_NOT_FOUND";
    /// The transaction could not be encoded.
    MarshalTxError = 15, "MARSHAL_TX_ERROR";
    /// There is no action in the transaction.
    NilTxaction = 16, "NIL_TXACTION";
    /// The contract is not deployed any more.
    ExpiredChaincode = 17, "EXPIRED_CHAINCODE";
    /// It was endorsed on another version of the contract.
    ChaincodeVersionConflict = 18, "CHAINCODE_VERSION_CONFLICT";
    /// The header's extension names no contract.
    BadHeaderExtension = 19, "BAD_HEADER_EXTENSION";
    /// The channel header cannot be decoded.
    BadChannelHeader = 20, "BAD_CHANNEL_HEADER";
    /// The proposal response payload cannot be decoded.
    BadResponsePayload = 21, "BAD_RESPONSE_PAYLOAD";
    /// The read-write set cannot be decoded.
    BadRwset = 22, "BAD_RWSET";
    /// A namespace is written that the contract may not write.
    IllegalWriteset = 23, "ILLEGAL_WRITESET";
    /// The write set cannot be applied.
    InvalidWriteset = 24, "INVALID_WRITESET";
    /// The contract is not deployed on this channel, or is named differently in two places.
    InvalidChaincode = 25, "INVALID_CHAINCODE";
    /// No verdict yet.
    NotValidated = 254, "NOT_VALIDATED";
    /// Another reason.
    InvalidOtherReason = 255, "INVALID_OTHER_REASON";
}

impl std::fmt::Display for ValidationCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_code_are_inverse() {
        let known: Vec<u8> = (0..=255)
            .filter(|&n| ValidationCode::from_number(n).is_some())
            .collect();
        assert_eq!(known.len(), 28);
        for n in known {
            assert_eq!(ValidationCode::from_number(n).map(|c| c as u8), Some(n));
        }
    }
}
