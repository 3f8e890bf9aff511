//! Transactions of `_lifecycle`: approvals and commits of contracts' definitions.
//!
//! What hosts check when they endorse (enough approvals of one component, what differs) is the
//! endorsing hosts' word, as any contract's answer is. Here it is checked that those have endorsed
//! whose word it takes, and that nothing else is written.

use cordon_lifecycle::{Definition, EndorsementRule, Entry, Key};
use cordon_policy::{EndorsementPolicy, Signer, SignerRole};
use cordon_types::{ContractId, MspId, ValidationCode};
use cordon_wire::transaction::Transaction;

use crate::{ChannelRules, ContractRules, Reason, Verdict};

/// Whose endorsement a transaction of `_lifecycle` needs.
pub(crate) enum Endorsers {
    /// The lifecycle policy's.
    Channel,
    /// A host of this organisation; it approves for itself.
    Organization(EndorsementPolicy),
}

/// Checks what is written. `creator` has signed the transaction.
pub(crate) fn check_writes(
    transaction: &Transaction,
    creator: &Signer,
    rules: &ChannelRules,
) -> Result<Endorsers, Verdict> {
    use ValidationCode as Code;
    let refuse = |code, reason| Err(Verdict::refused(code, reason));
    let malformed = |text: String| Verdict::refused(Code::InvalidWriteset, Reason::Lifecycle(text));
    let mut approval: Option<MspId> = None;
    let mut defined: Option<ContractId> = None;
    for entry in entries(transaction) {
        let entry = entry.map_err(|error| malformed(error.to_string()))?;
        if approval.is_some() || defined.is_some() {
            return Err(malformed("it writes more than one entry".to_owned()));
        }
        match entry {
            Entry::Approval { msp_id, .. } => {
                if creator.msp_id != msp_id || creator.role != SignerRole::Admin {
                    let text = format!("an approval for {msp_id} is its admins' to make");
                    return Err(malformed(text));
                }
                approval = Some(msp_id);
            }
            Entry::Definition {
                contract,
                definition,
            } => {
                check_definition(&contract, &definition, rules).map_err(malformed)?;
                defined = Some(contract);
            }
        }
    }
    // Who has left since an approval was counted counts for nothing.
    if defined.is_some()
        && let Some(gone) =
            approvals_read(transaction).find(|msp_id| !rules.members.contains(msp_id))
    {
        let text = format!("it counts the approval of {gone}, which is no member any more");
        return Err(malformed(text));
    }
    // A new version may bring its own state into order, and nobody else's.
    for set in &transaction.rw_set.contracts {
        let own = set.contract.is_lifecycle() || Some(&set.contract) == defined.as_ref();
        if !set.writes.is_empty() && !own {
            let reason = Reason::ForeignWrite(set.contract.clone());
            return refuse(Code::IllegalWriteset, reason);
        }
    }
    match approval {
        None => Ok(Endorsers::Channel),
        Some(msp_id) => EndorsementPolicy::parse(&format!("OR('{msp_id}.peer')"))
            .map(Endorsers::Organization)
            .map_err(|error| malformed(error.to_string())),
    }
}

fn check_definition(
    contract: &ContractId,
    definition: &Definition,
    rules: &ChannelRules,
) -> Result<(), String> {
    let committed = match rules.contracts.get(contract) {
        Some(ContractRules::Deployed { sequence, .. }) => *sequence,
        Some(ContractRules::Removed) | None => 0,
    };
    let due = committed + 1;
    if u64::try_from(definition.sequence) != Ok(due) {
        let sequence = definition.sequence;
        return Err(format!(
            "sequence {sequence} of contract {contract} does not follow {committed}"
        ));
    }
    if let EndorsementRule::Policy(policy) = &definition.endorsement {
        // It stands in the channel's document as text from then on.
        if EndorsementPolicy::parse(&policy.to_string()).as_ref() != Ok(policy) {
            return Err(format!(
                "endorsement policy of contract {contract}: its text does not read back"
            ));
        }
        let principals = policy.principals().into_iter();
        let mut strangers = principals.filter(|p| !rules.members.contains(&p.msp_id));
        if let Some(stranger) = strangers.next() {
            return Err(format!(
                "endorsement policy of contract {contract}: {} is no member of the channel",
                stranger.msp_id
            ));
        }
    }
    Ok(())
}

/// The organisations whose approvals a transaction rests on.
fn approvals_read(transaction: &Transaction) -> impl Iterator<Item = MspId> + '_ {
    let sets = transaction.rw_set.contracts.iter();
    let sets = sets.filter(|set| set.contract.is_lifecycle());
    let reads = sets.flat_map(|set| &set.reads);
    reads.filter_map(|read| match read.key.parse() {
        Ok(Key::Approval { msp_id, .. }) => Some(msp_id),
        _ => None,
    })
}

/// What a transaction writes in the namespace of definitions.
fn entries(
    transaction: &Transaction,
) -> impl Iterator<Item = Result<Entry, cordon_lifecycle::EntryError>> + '_ {
    let sets = transaction.rw_set.contracts.iter();
    let sets = sets.filter(|set| set.contract.is_lifecycle());
    sets.flat_map(|set| set.writes.iter().map(Entry::of_write))
}

/// The contract that a valid transaction defines anew, with its definition.
pub fn defined(transaction: &Transaction) -> Option<(ContractId, Definition)> {
    if !transaction.contract.is_lifecycle() {
        return None;
    }
    entries(transaction).find_map(|entry| match entry {
        Ok(Entry::Definition {
            contract,
            definition,
        }) => Some((contract, definition)),
        _ => None,
    })
}
