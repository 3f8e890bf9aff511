//! Step 2: signatures, contract and endorsement policy. Needs no committed state but the channel's
//! rules, and nothing of other transactions.

use cordon_policy::{EndorsementPolicy, Signer};
use cordon_types::{ContractId, TxId, ValidationCode, status};
use cordon_wire::transaction::Transaction;

use crate::{
    ChannelRules, ContractRules, ENDORSEMENTS_MAX, IdentityRefusal, IdentityVerifier, Prepared,
    Reason, Verdict,
};

/// An envelope that is checked as far as it can be on its own.
pub struct Checked {
    prepared: Prepared,
    /// The creator's signature holds. Never for a configuration.
    authentic: bool,
    refusal: Option<Verdict>,
}

/// Checks signatures, contract and endorsements of an envelope. Endorsements that do not hold count
/// for nothing; by themselves they refuse nothing.
pub fn check(
    prepared: Prepared,
    verifier: &impl IdentityVerifier,
    rules: &ChannelRules,
) -> Checked {
    let (authentic, refusal) = match &prepared {
        Prepared::Refused(verdict) => (false, Some(verdict.clone())),
        Prepared::Config => (false, None),
        Prepared::Transaction(transaction) => match check_creator(transaction, verifier, rules) {
            Err(verdict) => (false, Some(verdict)),
            Ok(()) => (true, check_endorsed(transaction, verifier, rules).err()),
        },
    };
    Checked {
        prepared,
        authentic,
        refusal,
    }
}

// === impl Checked ===

impl Checked {
    /// The transaction; `None` for a configuration and for an envelope whose shape is wrong.
    pub fn transaction(&self) -> Option<&Transaction> {
        match &self.prepared {
            Prepared::Transaction(transaction) => Some(transaction),
            Prepared::Config | Prepared::Refused(_) => None,
        }
    }

    /// The envelope taken apart, for good.
    pub fn into_prepared(self) -> Prepared {
        self.prepared
    }

    /// The envelope taken apart.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The verdict, if it is decided already but for the transaction id: one that is taken comes
    /// first.
    pub fn refusal(&self) -> Option<&Verdict> {
        self.refusal.as_ref()
    }

    /// The id that the transaction takes unless it is taken already. `None` when the creator's
    /// signature does not hold: nobody may use up another's id.
    pub fn tx_id(&self) -> Option<TxId> {
        self.transaction()
            .filter(|_| self.authentic)
            .map(|transaction| transaction.tx_id)
    }

    /// The transaction, if nothing is wrong with it so far.
    pub(crate) fn candidate(&self) -> Option<&Transaction> {
        self.transaction().filter(|_| self.refusal.is_none())
    }

    pub(crate) fn is_config(&self) -> bool {
        matches!(self.prepared, Prepared::Config)
    }

    #[cfg(test)]
    pub(crate) fn accepted(transaction: Transaction) -> Self {
        let prepared = Prepared::Transaction(Box::new(transaction));
        Self {
            prepared,
            authentic: true,
            refusal: None,
        }
    }
}

// === checks ===

fn verify_member(
    verifier: &impl IdentityVerifier,
    rules: &ChannelRules,
    transaction: &Transaction,
    identity: &[u8],
    message: &[&[u8]],
    signature: &[u8],
) -> Result<Signer, IdentityRefusal> {
    // `prepare` lets no transaction without a timestamp through.
    let at_seconds = transaction
        .header
        .channel_header
        .timestamp
        .map_or(0, |time| time.seconds);
    let signer = verifier.verify(identity, message, signature, at_seconds)?;
    // The verifier may know organisations that have left the channel.
    if rules.members.contains(&signer.msp_id) {
        Ok(signer)
    } else {
        Err(IdentityRefusal::NotMember)
    }
}

fn check_creator(
    transaction: &Transaction,
    verifier: &impl IdentityVerifier,
    rules: &ChannelRules,
) -> Result<(), Verdict> {
    let creator = &transaction.header.creator;
    let message = [transaction.payload.as_ref()];
    verify_member(
        verifier,
        rules,
        transaction,
        creator,
        &message,
        &transaction.signature,
    )
    .map(drop)
    .map_err(|refusal| {
        Verdict::refused(
            ValidationCode::BadCreatorSignature,
            Reason::Creator(refusal),
        )
    })
}

fn check_endorsed(
    transaction: &Transaction,
    verifier: &impl IdentityVerifier,
    rules: &ChannelRules,
) -> Result<(), Verdict> {
    use ValidationCode as Code;
    let contract = &transaction.contract;
    let (version, endorsement_policy) = match rules.contracts.get(contract) {
        None => {
            let reason = Reason::ContractUnknown(contract.clone());
            return Err(Verdict::refused(Code::InvalidChaincode, reason));
        }
        Some(ContractRules::Removed) => {
            let reason = Reason::ContractRemoved(contract.clone());
            return Err(Verdict::refused(Code::ExpiredChaincode, reason));
        }
        Some(ContractRules::Deployed {
            version,
            endorsement_policy,
        }) => (version, endorsement_policy),
    };
    if transaction.contract_version != *version {
        let reason = Reason::ContractVersion {
            endorsed: transaction.contract_version.chars().take(64).collect(),
            committed: version.clone(),
        };
        return Err(Verdict::refused(Code::ChaincodeVersionConflict, reason));
    }
    // Hosts endorse successes only, so this takes hosts that do otherwise. A response that is
    // absent has status 0.
    let answered = transaction.response.status;
    if !(status::OK..status::INVALID).contains(&answered) {
        let reason = Reason::ResponseStatus(answered);
        return Err(Verdict::refused(Code::InvalidEndorserTransaction, reason));
    }
    // Contracts that this one called may be written too; each by its own endorsement policy, as the
    // one of the contract called says nothing about another's state.
    let mut asked = vec![(contract, endorsement_policy)];
    for set in &transaction.rw_set.contracts {
        if set.writes.is_empty() || set.contract == *contract {
            continue;
        }
        let Some(ContractRules::Deployed {
            endorsement_policy, ..
        }) = rules.contracts.get(&set.contract)
        else {
            let reason = Reason::ForeignWrite(set.contract.clone());
            return Err(Verdict::refused(Code::IllegalWriteset, reason));
        };
        asked.push((&set.contract, endorsement_policy));
    }
    check_endorsements(transaction, &asked, verifier, rules)
}

fn check_endorsements(
    transaction: &Transaction,
    asked: &[(&ContractId, &EndorsementPolicy)],
    verifier: &impl IdentityVerifier,
    rules: &ChannelRules,
) -> Result<(), Verdict> {
    let count = transaction.endorsements.len();
    if count > ENDORSEMENTS_MAX {
        let reason = Reason::TooManyEndorsements(count);
        return Err(Verdict::refused(
            ValidationCode::InvalidEndorserTransaction,
            reason,
        ));
    }
    let mut signers = Vec::with_capacity(count);
    let mut not_counted = Vec::new();
    for endorsement in &transaction.endorsements {
        let endorser = endorsement.endorser.as_ref();
        let message = [transaction.response_payload.as_ref(), endorser];
        let signature = &endorsement.signature;
        match verify_member(verifier, rules, transaction, endorser, &message, signature) {
            Ok(signer) => signers.push(signer),
            Err(refusal) => not_counted.push(refusal),
        }
    }
    for (contract, endorsement_policy) in asked {
        endorsement_policy.evaluate(&signers).map_err(|refusal| {
            let reason = Reason::Endorsements {
                contract: (*contract).clone(),
                refusal,
                not_counted: not_counted.clone(),
            };
            Verdict::refused(ValidationCode::EndorsementPolicyFailure, reason)
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
