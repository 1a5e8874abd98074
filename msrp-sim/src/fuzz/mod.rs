//! What the fuzz targets do with their input: one function each, which panics when a property does not hold.
//!
//! The targets in `fuzz/` are one line each and call these. `cargo test` replays the corpora in `fuzz/corpus` and seeded
//! mutations of them, so that a harness cannot rot unnoticed.

mod anchor_sdp;
mod connection_ops;
mod decode_split;
mod digest_params;
mod head_edit;
mod input;
mod relay_world;
mod sdp;
mod uri;
mod ws_frames;

pub use self::{
    anchor_sdp::anchor_sdp, connection_ops::connection_ops, decode_split::decode_split,
    digest_params::digest_params, head_edit::head_edit, relay_world::relay_world, sdp::sdp, uri::uri,
    ws_frames::ws_frames,
};

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All targets by their names, which are those of their corpora and of the programs in `fuzz/`.
pub const TARGETS: [(&str, Target); 9] = [
    ("anchor_sdp", anchor_sdp),
    ("connection_ops", connection_ops),
    ("decode_split", decode_split),
    ("digest_params", digest_params),
    ("head_edit", head_edit),
    ("relay_world", relay_world),
    ("sdp", sdp),
    ("uri", uri),
    ("ws_frames", ws_frames),
];
