//! The messages as generated from `proto/`, one module per protobuf package.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "generated; meaning is in WIRE.md and proto/"
)]
#![allow(
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]

/// All definitions of this crate as an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

macro_rules! package {
    ($module:ident, $package:literal) => {
        pub mod $module {
            tonic_include!($package);
        }
    };
}

macro_rules! tonic_include {
    ($package:literal) => {
        include!(concat!(env!("OUT_DIR"), concat!("/", $package, ".rs")));
    };
}

package!(common, "common");
package!(msp, "msp");
package!(protos, "protos");
package!(gateway, "gateway");
package!(orderer, "orderer");
package!(rwset, "rwset");
package!(kvrwset, "kvrwset");
package!(lifecycle, "lifecycle");

pub mod google {
    pub mod rpc {
        tonic_include!("google.rpc");
    }
}

pub mod cordon {
    pub mod lifecycle {
        pub mod v1 {
            tonic_include!("cordon.lifecycle.v1");
        }
    }
    pub mod ordering {
        pub mod v1 {
            tonic_include!("cordon.ordering.v1");
        }
    }
}
