//! The execution profile: every limit a contract runs under, with unit and reason. All hosts of a
//! channel use the same one, because a call that fits on one host must fit on every other.

/// Limits of one call and of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Fuel of one call: about one per instruction. 500 million is well below a second of one core,
    /// and ten thousand times what an ordinary call uses.
    pub fuel_max: u64,
    /// Linear memory of one instance, bytes. Ordinary calls touch 100 KB.
    pub memory_bytes_max: usize,
    /// Elements of one table.
    pub table_elements_max: usize,
    /// WebAssembly stack, bytes.
    pub stack_bytes_max: usize,
    /// Size of a component, bytes; a contract of this repository has 50 KB.
    pub component_bytes_max: usize,
    /// All arguments and transient values of a call together, bytes. Arguments stand in the block.
    pub argument_bytes_max: usize,
    /// The answer, bytes: what Fabric's clients receive without further settings is 4 MiB, and the
    /// answer travels inside an envelope.
    pub result_bytes_max: usize,
    /// One value, bytes.
    pub value_bytes_max: usize,
    /// Everything one call may write, keys and values, bytes.
    pub write_bytes_max: usize,
    /// Keys that one call may read, see in scans or write, together.
    pub keys_max: usize,
    /// Entries of one page of a scan or a history.
    pub page_entries_max: u32,
    /// Everything that calls into the host may hand over in both directions, bytes.
    pub host_bytes_max: usize,
    /// Events of one transaction.
    pub events_max: usize,
    /// Name of an event, bytes.
    pub event_name_bytes_max: usize,
    /// Payload of an event, bytes.
    pub event_payload_bytes_max: usize,
    /// Fuel charged for a call into the host, whatever it does: the order of what it costs in time.
    pub host_call_fuel: u64,
    /// Fuel charged for calling or asking another contract: the order of what its instance costs in
    /// time.
    pub contract_call_fuel: u64,
    /// Contracts that can be in the middle of a call at once, the first one included, whether called
    /// or asked on another channel. Each has a stack of its own on the thread of the call.
    pub call_depth_max: u32,
    /// Fuel charged for each byte that such a call moves.
    pub host_byte_fuel: u64,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            fuel_max: 500_000_000,
            memory_bytes_max: 16 << 20,
            table_elements_max: 10_000,
            stack_bytes_max: 512 << 10,
            component_bytes_max: 4 << 20,
            argument_bytes_max: 512 << 10,
            result_bytes_max: 3 << 20,
            value_bytes_max: 1 << 20,
            write_bytes_max: 4 << 20,
            keys_max: 20_000,
            page_entries_max: 1_000,
            host_bytes_max: 64 << 20,
            events_max: 64,
            event_name_bytes_max: 128,
            event_payload_bytes_max: 64 << 10,
            host_call_fuel: 1_000,
            contract_call_fuel: 50_000,
            call_depth_max: 4,
            host_byte_fuel: 1,
        }
    }
}

/// Calls by clients that can run at once in one process: whoever calls contracts lets no more in.
pub const CALLS_MAX: u32 = 64;

/// Stack that a thread needs that calls contracts with this profile: each contract in the middle of a
/// call has its own, and the host's code between them some too.
pub fn thread_stack_bytes(profile: &Profile) -> usize {
    (profile.stack_bytes_max + (512 << 10)) * profile.call_depth_max as usize + (1 << 20)
}

/// Bytes of a slot's memory that stay mapped between calls; more costs memory, less costs page
/// faults on every call (measured: 2 MiB with PAGEMAP_SCAN halves the time of a call).
pub(crate) const KEEP_RESIDENT_BYTES: usize = 2 << 20;
