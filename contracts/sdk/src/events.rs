//! Events with typed payloads.

use serde::Serialize;

use crate::codec;
use crate::error::Result;
use crate::world::World;

/// Emits an event whose payload is `payload` in postcard. For payloads that are an id or another plain
/// text, give its bytes to [`World::emit`]: clients can read them without this SDK.
///
/// # Errors
/// As for [`World::emit`].
pub fn emit_record<T: Serialize>(world: &mut impl World, name: &str, payload: &T) -> Result<()> {
    world.emit(name, &codec::encode(payload))
}
