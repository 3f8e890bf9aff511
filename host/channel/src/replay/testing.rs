//! A channel of one organisation with one contract: endorsed, ordered and committed as on a host, but
//! block by block as the test says. And a contract whose text it writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cordon_endorse::{CheckedProposal, Execution, Installed, check_proposal};
use cordon_execute::{Access, Compiled, NoLedgers, Profile, Runtime};
use cordon_identity::{
    CertificateAuthority, IssueRequest, MspConfig, Signer, SigningKey, Validity,
};
use cordon_ledger::{CommitBlock, Ledger, Options};
use cordon_order::Position;
use cordon_types::{Caller, ContractId, ReadWriteSet, TxId, ValidationCode};
use cordon_validate::{Checked, check, commit_hash, judge, needs, prepare, updates};
use cordon_wire::proposal::{NewProposal, Proposal};
use cordon_wire::proto::{common, protos};
use cordon_wire::rw_set::encode_rw_set;
use cordon_wire::transaction::{envelope_payload, response_payload};
use cordon_wire::{block, encode, sha256};
use tempfile::TempDir;

use super::past::Past;
use crate::channel::Components;
use crate::config::{
    BatchConfig, BlockReaders, ChannelConfig, ContractConfig, ENDORSEMENT_DEFAULT,
    GOVERNANCE_DEFAULT, OrderingConfig, OrganizationConfig, genesis_block,
};
use crate::error::ChannelError;
use crate::verifier::Verifier;
use crate::verify::ChainVerifier;

/// The client's time.
pub(super) const TIME: i64 = 1_700_000_000;

/// A contract with three functions of a key: `put` reads it and writes `value`; `count` emits how
/// often it has changed; `secret` writes the transient value of that name, or else `value`.
pub(super) fn contract(value: &str) -> Vec<u8> {
    let lower = |name: &str, of: &str| {
        format!(
            r#"(alias export ${of} "{name}" (func $host-{name}))
            (core func ${name} (canon lower (func $host-{name})
                (memory $shared) (realloc $realloc)))"#
        )
    };
    let lowered = [
        lower("get", "state"),
        lower("put", "state"),
        lower("history", "state"),
        lower("emit", "events"),
        lower("transient", "context"),
    ]
    .join("\n");
    let lift = |name: &str| {
        format!(
            r#"(alias core export $main "{name}" (core func $main-{name}))
            (func $do-{name} (param "key" string) (canon lift (core func $main-{name})
                (memory $shared) (realloc $realloc)))"#
        )
    };
    let lifted = ["put", "count", "secret"].map(lift).join("\n");
    let length = value.len();
    let text = format!(
        r#"(component
        (import "cordon:contract/types@1.0.0" (instance $types
            (type $e (variant (case "invalid" string) (case "forbidden" string)
                (case "not-found" string) (case "conflict" string)))
            (export "error" (type (eq $e)))))
        (alias export $types "error" (type $error))
        (import "cordon:contract/state@1.0.0" (instance $state
            (alias outer 1 $error (type $outer))
            (export "error" (type $e (eq $outer)))
            (type $p (record (field "block" u64) (field "index" u32)))
            (export "position" (type $position (eq $p)))
            (type $c (record (field "position" $position) (field "transaction-id" string)
                (field "timestamp-seconds" s64) (field "value" (option (list u8)))))
            (export "change" (type $change (eq $c)))
            (type $h (record (field "changes" (list $change)) (field "next" (option $position))))
            (export "history-page" (type $page (eq $h)))
            (export "get" (func (param "key" string)
                (result (result (option (list u8)) (error $e)))))
            (export "put" (func (param "key" string) (param "value" (list u8))
                (result (result (error $e)))))
            (export "history" (func (param "key" string) (param "limit" u32)
                (param "before" (option $position)) (result (result $page (error $e)))))))
        (import "cordon:contract/events@1.0.0" (instance $events
            (alias outer 1 $error (type $outer))
            (export "error" (type $e (eq $outer)))
            (export "emit" (func (param "name" string) (param "payload" (list u8))
                (result (result (error $e)))))))
        (import "cordon:contract/context@1.0.0" (instance $context
            (export "transient" (func (param "name" string) (result (option (list u8)))))))
        (core module $memory
            (memory (export "memory") 1)
            (global $top (mut i32) (i32.const 1024))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
                (local.set $at
                    (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
                (global.set $top (i32.add (local.get $at) (local.get 3)))
                (local.get $at)))
        (core instance $mem (instantiate $memory))
        (alias core export $mem "memory" (core memory $shared))
        (alias core export $mem "realloc" (core func $realloc))
        {lowered}
        (core module $code
            (import "mem" "memory" (memory 1))
            (import "host" "get" (func $get (param i32 i32 i32)))
            (import "host" "put" (func $put (param i32 i32 i32 i32 i32)))
            (import "host" "history"
                (func $history (param i32 i32 i32 i32 i64 i32 i32)))
            (import "host" "emit" (func $emit (param i32 i32 i32 i32 i32)))
            (import "host" "transient" (func $transient (param i32 i32 i32)))
            (data (i32.const 48) "count")
            (data (i32.const 128) "{value}")
            (func (export "put") (param $key i32) (param $len i32)
                (call $get (local.get $key) (local.get $len) (i32.const 512))
                (call $put (local.get $key) (local.get $len)
                    (i32.const 128) (i32.const {length}) (i32.const 512)))
            (func (export "count") (param $key i32) (param $len i32)
                (call $history (local.get $key) (local.get $len) (i32.const 100)
                    (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 512))
                ;; The number of changes, as one digit.
                (i32.store8 (i32.const 64)
                    (i32.add (i32.const 48) (i32.load (i32.const 524))))
                (call $emit (i32.const 48) (i32.const 5)
                    (i32.const 64) (i32.const 1) (i32.const 512)))
            (func (export "secret") (param $key i32) (param $len i32)
                (call $transient (local.get $key) (local.get $len) (i32.const 512))
                (if (i32.load8_u (i32.const 512))
                    (then (call $put (local.get $key) (local.get $len)
                        (i32.load (i32.const 516)) (i32.load (i32.const 520)) (i32.const 560)))
                    (else (call $put (local.get $key) (local.get $len)
                        (i32.const 128) (i32.const {length}) (i32.const 560))))))
        (core instance $main (instantiate $code
            (with "mem" (instance $mem))
            (with "host" (instance (export "get" (func $get)) (export "put" (func $put))
                (export "history" (func $history)) (export "emit" (func $emit))
                (export "transient" (func $transient))))))
        {lifted}
        (instance $api (export "put" (func $do-put)) (export "count" (func $do-count))
            (export "secret" (func $do-secret)))
        (export "t:t/api@1.0.0" (instance $api)))"#
    );
    wat::parse_str(text).unwrap()
}

/// Hands out one component, whatever is asked for: a contract that is not the one of the channel.
pub(super) struct Code {
    runtime: Runtime,
    component: Option<Vec<u8>>,
}

impl Code {
    pub(super) fn new(component: Option<Vec<u8>>) -> Arc<Self> {
        let runtime = Runtime::new(Profile::default()).unwrap();
        Arc::new(Self { runtime, component })
    }
}

impl Components for Code {
    fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn load(&self, contract: &ContractId, sha256: &str) -> Result<Arc<Compiled>, ChannelError> {
        let bytes = self.component.as_ref();
        let bytes = bytes.ok_or_else(|| ChannelError::NoComponent {
            contract: contract.clone(),
            sha256: sha256.to_owned(),
        })?;
        Ok(self.runtime.compile(bytes).unwrap())
    }
}

struct Everybody;

impl Access for Everybody {
    fn authorize(&self, _: &Caller, _: &str) -> Result<(), String> {
        Ok(())
    }
}

/// The channel.
pub(super) struct Town {
    pub(super) ledger: Ledger,
    /// Every block, encoded.
    pub(super) blocks: Vec<Bytes>,
    chain: ChainVerifier,
    config: Arc<ChannelConfig>,
    installed: Installed,
    client: Signer,
    peer: Signer,
    nonce: u64,
    _dir: TempDir,
}

fn issue(authority: &CertificateAuthority, unit: &str) -> Signer {
    let key = SigningKey::generate().unwrap();
    let request = IssueRequest {
        common_name: unit.to_owned(),
        organization: None,
        organizational_unit: Some(unit.to_owned()),
        attributes: BTreeMap::new(),
        validity: validity(),
    };
    let certificate = authority.issue(&request, &key.public_key().unwrap());
    let pem = certificate.unwrap().to_pem().unwrap();
    Signer::new("AMSP".parse().unwrap(), &pem, key).unwrap()
}

fn validity() -> Validity {
    Validity {
        not_before: TIME - 1000,
        not_after: TIME + 1_000_000,
    }
}

impl Town {
    /// Block 0: the contract `c` writes `value`.
    pub(super) fn new(value: &str) -> Self {
        let authority = CertificateAuthority::create("ca", "a", validity()).unwrap();
        let root = authority.certificate().to_pem().unwrap();
        let component = contract(value);
        let config = ChannelConfig {
            channel: "town".to_owned(),
            created: "2026-01-01T00:00:00Z".to_owned(),
            organizations: vec![OrganizationConfig {
                msp: MspConfig::new("AMSP".parse().unwrap(), root.clone(), root),
                hosts: vec!["a.example:7051".to_owned()],
            }],
            ordering: OrderingConfig {
                address: "a.example:7051".to_owned(),
            },
            governance_policy: GOVERNANCE_DEFAULT.to_owned(),
            lifecycle_policy: ENDORSEMENT_DEFAULT.to_owned(),
            endorsement_policy: ENDORSEMENT_DEFAULT.to_owned(),
            contracts: vec![ContractConfig {
                name: "c".to_owned(),
                sequence: 1,
                version: "1".to_owned(),
                sha256: hex::encode(sha256([component.as_slice()])),
                endorsement_policy: Some("AND('AMSP.peer')".to_owned()),
            }],
            access_policies: Vec::new(),
            block_readers: BlockReaders::Members,
            execution: Profile::default().settings(),
            batch: BatchConfig::default(),
        };
        let code = Code::new(Some(component));
        let compiled = code.load(&id(), "").unwrap();
        let runtime = code.runtime();
        let linked = runtime.link(runtime.profile(), [(id(), compiled)].into());
        let genesis = genesis_block(&config);
        let dir = TempDir::new_in("/dev/shm")
            .or_else(|_| TempDir::new())
            .unwrap();
        let (ledger, _) = Ledger::open(dir.path(), Options::default()).unwrap();
        let first = CommitBlock::parse(genesis.clone()).unwrap();
        ledger.commit(&first).unwrap();
        Self {
            ledger,
            chain: ChainVerifier::new(&genesis).unwrap(),
            blocks: vec![genesis],
            config: Arc::new(config),
            installed: Installed {
                version: "1".to_owned(),
                code: linked.unwrap().remove(&id()).unwrap(),
            },
            client: issue(&authority, "client"),
            peer: issue(&authority, "peer"),
            nonce: 0,
            _dir: dir,
        }
    }

    fn proposal(
        &mut self,
        args: &[&str],
        transient: &[(&str, &str)],
    ) -> (Proposal, CheckedProposal) {
        self.nonce += 1;
        let mut nonce = [0; 24];
        nonce[..8].copy_from_slice(&self.nonce.to_be_bytes());
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let transient = transient.iter();
        let (proposal_bytes, _) = NewProposal {
            channel: "town",
            contract: "c",
            args: args.iter().map(|arg| bytes(arg)).collect(),
            transient: transient
                .map(|(name, value)| ((*name).to_owned(), bytes(value)))
                .collect(),
            creator: self.client.serialized(),
            nonce,
            timestamp: (TIME + i64::try_from(self.nonce).unwrap(), 7),
        }
        .build();
        let signed = protos::SignedProposal {
            signature: self.client.sign(&proposal_bytes).unwrap(),
            proposal_bytes,
        };
        let proposal = Proposal::parse(&signed).unwrap();
        let checked = check_proposal(&proposal, self.chain.membership(), TIME).unwrap();
        (proposal, checked)
    }

    fn endorsed(&self, proposal: &Proposal, payload: Bytes) -> Bytes {
        let endorser = self.peer.serialized();
        let signature = self
            .peer
            .sign(&[payload.as_ref(), &endorser].concat())
            .unwrap();
        let endorsement = protos::Endorsement {
            endorser,
            signature,
        };
        let payload = envelope_payload(proposal, payload, vec![endorsement]);
        let signature = self.client.sign(&payload).unwrap();
        encode(&common::Envelope { payload, signature })
    }

    /// A call endorsed on the state of now; its envelope.
    pub(super) fn endorse(&mut self, args: &[&str], transient: &[(&str, &str)]) -> (TxId, Bytes) {
        let (proposal, checked) = self.proposal(args, transient);
        let snapshot = Box::new(self.ledger.snapshot());
        let execution = Execution::run(
            &proposal,
            &checked,
            self.chain.id(),
            &self.installed,
            snapshot,
            Arc::new(NoLedgers),
            &Everybody,
        )
        .unwrap();
        assert!(execution.accepted(), "{:?}", execution.response());
        (checked.tx_id, self.endorsed(&proposal, execution.payload))
    }

    /// What no contract has done, endorsed all the same.
    pub(super) fn invent(&mut self, rw_set: &ReadWriteSet) -> Bytes {
        let (proposal, _) = self.proposal(&["put", "k"], &[]);
        let response = protos::Response {
            status: 200,
            ..Default::default()
        };
        let payload = response_payload(
            proposal.hash(),
            encode_rw_set(rw_set),
            Bytes::new(),
            response,
            &id(),
            "1",
        );
        self.endorsed(&proposal, payload)
    }

    /// A block of these; their verdicts.
    pub(super) fn commit(&mut self, envelopes: Vec<Bytes>) -> Vec<ValidationCode> {
        let number = self.chain.height();
        let verifier = Verifier {
            membership: self.chain.membership(),
            sequence: 0,
            config: Arc::clone(&self.config),
        };
        let rules = self.config.rules().unwrap();
        let checked: Vec<Checked> = envelopes
            .iter()
            .map(|envelope| check(prepare(envelope, self.chain.id()), &verifier, &rules))
            .collect();
        let verdicts = judge(number, &checked, &self.chain.load(needs(&checked))).unwrap();
        let codes: Vec<ValidationCode> = verdicts.iter().map(|verdict| verdict.code).collect();
        let previous = Bytes::copy_from_slice(&self.chain.hash());
        // One record for each envelope, and the cut.
        let end = Position {
            next: 1_000 * number,
            ..Position::default()
        };
        let mut block = block::assemble(number, previous, envelopes, 0, end.to_bytes());
        let header_hash = block::header_hash(block.header.as_ref().unwrap());
        let changes = updates(number, &checked, &verdicts);
        let hash = commit_hash(self.chain.state_digest(), header_hash, &codes, changes);
        block::set_verdicts(&mut block, &codes, hash);
        let bytes = encode(&block);
        self.chain.next(&bytes).unwrap();
        let block = CommitBlock::parse(bytes.clone()).unwrap();
        self.ledger.commit(&block).unwrap();
        self.blocks.push(bytes);
        codes
    }

    /// The channel's past from its blocks.
    pub(super) fn past(&self, components: Arc<Code>) -> Past {
        let mut past = Past::new(&self.blocks[0], components).unwrap();
        for block in &self.blocks[1..] {
            past.next(block).unwrap();
        }
        past
    }
}

/// The contract's name.
pub(super) fn id() -> ContractId {
    "c".parse().unwrap()
}
