//! Step 2: signatures, contract and endorsement policy. Needs no committed state but the channel's
//! rules, and nothing of other transactions.

use bytes::Bytes;
use cordon_policy::{EndorsementPolicy, Signer};
use cordon_types::{ContractId, TxId, ValidationCode, status};
use cordon_wire::config::ConfigTransaction;
use cordon_wire::proposal::Header;
use cordon_wire::transaction::Transaction;

use crate::lifecycle::{self, Endorsers};
use crate::{
    ChannelRules, ConfigVerifier, ContractRules, ENDORSEMENTS_MAX, IdentityRefusal,
    IdentityVerifier, Prepared, Reason, Verdict,
};

/// An envelope that is checked as far as it can be on its own.
pub struct Checked {
    prepared: Prepared,
    /// The creator's signature holds. Never for a channel's first configuration.
    authentic: bool,
    refusal: Option<Verdict>,
}

/// Checks signatures, contract and endorsements of an envelope. Endorsements that do not hold count
/// for nothing; by themselves they refuse nothing.
pub fn check<V: IdentityVerifier + ConfigVerifier>(
    prepared: Prepared,
    verifier: &V,
    rules: &ChannelRules,
) -> Checked {
    let (authentic, refusal) = match &prepared {
        Prepared::Refused(verdict) => (false, Some(verdict.clone())),
        Prepared::FirstConfig => (false, None),
        Prepared::Config(config) => {
            let signed = (&config.header, &config.payload, &config.signature);
            match check_creator(signed, verifier, rules) {
                Err(verdict) => (false, Some(verdict)),
                Ok(_) => (true, check_config(config, verifier, rules).err()),
            }
        }
        Prepared::Transaction(transaction) => {
            let signed = (
                &transaction.header,
                &transaction.payload,
                &transaction.signature,
            );
            match check_creator(signed, verifier, rules) {
                Err(verdict) => (false, Some(verdict)),
                Ok(creator) => {
                    let refusal = if transaction.contract.is_lifecycle() {
                        check_lifecycle(transaction, &creator, verifier, rules)
                    } else {
                        check_endorsed(transaction, verifier, rules)
                    };
                    (true, refusal.err())
                }
            }
        }
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
            _ => None,
        }
    }

    /// The configuration, if it is one and not the channel's first.
    pub fn config(&self) -> Option<&ConfigTransaction> {
        match &self.prepared {
            Prepared::Config(config) => Some(config),
            _ => None,
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
        let tx_id = match &self.prepared {
            Prepared::Transaction(transaction) => transaction.tx_id,
            Prepared::Config(config) => config.tx_id,
            Prepared::FirstConfig | Prepared::Refused(_) => return None,
        };
        self.authentic.then_some(tx_id)
    }

    /// The transaction, if nothing is wrong with it so far.
    pub(crate) fn candidate(&self) -> Option<&Transaction> {
        self.transaction().filter(|_| self.refusal.is_none())
    }

    pub(crate) fn is_first_config(&self) -> bool {
        matches!(self.prepared, Prepared::FirstConfig)
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
    header: &Header,
    identity: &[u8],
    message: &[&[u8]],
    signature: &[u8],
) -> Result<Signer, IdentityRefusal> {
    // `prepare` lets nothing without a timestamp through.
    let at_seconds = header
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
    (header, payload, signature): (&Header, &Bytes, &Bytes),
    verifier: &impl IdentityVerifier,
    rules: &ChannelRules,
) -> Result<Signer, Verdict> {
    let message = [payload.as_ref()];
    verify_member(
        verifier,
        rules,
        header,
        &header.creator,
        &message,
        signature,
    )
    .map_err(|refusal| {
        Verdict::refused(
            ValidationCode::BadCreatorSignature,
            Reason::Creator(refusal),
        )
    })
}

/// A configuration takes effect when its approvals satisfy the governance policy of the one in force.
fn check_config<V: IdentityVerifier + ConfigVerifier>(
    config: &ConfigTransaction,
    verifier: &V,
    rules: &ChannelRules,
) -> Result<(), Verdict> {
    let refuse = |reason| Verdict::refused(ValidationCode::InvalidConfigTransaction, reason);
    let count = config.approvals.len();
    if count > ENDORSEMENTS_MAX {
        return Err(refuse(Reason::TooManyEndorsements(count)));
    }
    // Every approval must hold, so that the transaction alone says who approved.
    let mut approved = Vec::with_capacity(count);
    for approval in &config.approvals {
        let message = [approval.signature_header.as_ref(), &config.update];
        let header = &config.header;
        let (creator, signature) = (&approval.creator, &approval.signature);
        let signer = verify_member(verifier, rules, header, creator, &message, signature)
            .map_err(|refusal| refuse(Reason::ConfigApproval(refusal.to_string())))?;
        if approved.contains(&signer) {
            let text = format!("there are two of one identity of {}", signer.msp_id);
            return Err(refuse(Reason::ConfigApproval(text)));
        }
        approved.push(signer);
    }
    rules
        .governance
        .evaluate(&approved)
        .map_err(|refusal| refuse(Reason::ConfigApprovals(refusal)))?;
    // Last: it costs the most, and only those who may change the channel can ask for it.
    verifier
        .verify_config(config.sequence, &config.document)
        .map_err(|text| refuse(Reason::Config(text)))
}

/// Hosts endorse successes only, so this takes hosts that do otherwise. A response that is absent has
/// status 0.
fn check_answer(transaction: &Transaction) -> Result<(), Verdict> {
    let answered = transaction.response.status;
    if (status::OK..status::INVALID).contains(&answered) {
        return Ok(());
    }
    let code = ValidationCode::InvalidEndorserTransaction;
    Err(Verdict::refused(code, Reason::ResponseStatus(answered)))
}

fn check_lifecycle(
    transaction: &Transaction,
    creator: &Signer,
    verifier: &impl IdentityVerifier,
    rules: &ChannelRules,
) -> Result<(), Verdict> {
    check_answer(transaction)?;
    let endorsers = lifecycle::check_writes(transaction, creator, rules)?;
    let policy = match &endorsers {
        Endorsers::Channel => &rules.lifecycle,
        Endorsers::Organization(policy) => policy,
    };
    let asked = [(&transaction.contract, policy)];
    check_endorsements(transaction, &asked, verifier, rules)
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
            ..
        }) => (version, endorsement_policy),
    };
    if transaction.contract_version != *version {
        let reason = Reason::ContractVersion {
            endorsed: transaction.contract_version.chars().take(64).collect(),
            committed: version.clone(),
        };
        return Err(Verdict::refused(Code::ChaincodeVersionConflict, reason));
    }
    check_answer(transaction)?;
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
        let header = &transaction.header;
        match verify_member(verifier, rules, header, endorser, &message, signature) {
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
