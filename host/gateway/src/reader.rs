//! Who reads along, as long as what is in force on the channel lets them.

use std::sync::Arc;

use bytes::Bytes;
use cordon_channel::{Channel, Current};

use crate::host::now;

/// Somebody who was let in, and by what. A later configuration may have removed the organisation,
/// revoked the certificate or closed the blocks.
pub(crate) struct Reader {
    creator: Bytes,
    whole_blocks: bool,
    admitted_by: Arc<Current>,
}

impl Reader {
    /// `creator` was let in under `current`, to whole blocks or only to what others may read too.
    pub(crate) fn new(creator: Bytes, whole_blocks: bool, current: &Arc<Current>) -> Self {
        Self {
            creator,
            whole_blocks,
            admitted_by: Arc::clone(current),
        }
    }

    /// Whether they still may. Costs nothing while nothing has changed.
    pub(crate) fn may_read(&mut self, channel: &Channel) -> bool {
        let current = channel.current();
        if Arc::ptr_eq(&current, &self.admitted_by) {
            return true;
        }
        let identity = current.membership().identity(&self.creator).ok();
        let admitted = identity.is_some_and(|identity| {
            identity.check_validity(now()).is_ok()
                && (!self.whole_blocks || current.may_read_blocks(&identity))
        });
        self.admitted_by = current;
        admitted
    }
}
