//! What the fuzz targets do with their input: one function each, which panics when a property does not hold.
//!
//! The targets in `fuzz/` are one line each and call these. `cargo test` replays the corpora in `fuzz/corpus` and seeded
//! mutations of them, so that a harness cannot rot unnoticed.

mod anchor_sdp;
mod composing;
mod connection_ops;
mod cpim;
mod decode_split;
mod digest_params;
mod head_edit;
mod imdn;
mod input;
mod relay_world;
mod sdp;
mod uri;
mod ws_frames;

pub use self::{
    anchor_sdp::anchor_sdp, composing::composing, connection_ops::connection_ops, cpim::cpim,
    decode_split::decode_split, digest_params::digest_params, head_edit::head_edit, imdn::imdn,
    relay_world::relay_world, sdp::sdp, uri::uri, ws_frames::ws_frames,
};

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All targets by their names, which are those of their corpora and of the programs in `fuzz/`.
pub const TARGETS: [(&str, Target); 12] = [
    ("anchor_sdp", anchor_sdp),
    ("composing", composing),
    ("connection_ops", connection_ops),
    ("cpim", cpim),
    ("decode_split", decode_split),
    ("digest_params", digest_params),
    ("head_edit", head_edit),
    ("imdn", imdn),
    ("relay_world", relay_world),
    ("sdp", sdp),
    ("uri", uri),
    ("ws_frames", ws_frames),
];
