//! The same files with every load and store relaxed, and no fences: what loom must find fault with.

#[path = "owner.rs"]
pub mod owner;
#[path = "../../src/journal/room.rs"]
pub mod room;
#[path = "../../src/board/slate.rs"]
pub mod slate;
#[path = "../../src/journal/watermark.rs"]
pub mod watermark;

mod atomic {
    use crate::atomic;
    pub(super) use crate::atomic::Ordering;

    pub(super) fn fence(_: Ordering) {}

    macro_rules! relaxed {
        ($name:ident, $value:ty) => {
            #[derive(Debug, Default)]
            pub(super) struct $name(atomic::$name);

            impl $name {
                pub(super) fn load(&self, _: Ordering) -> $value {
                    self.0.load(Ordering::Relaxed)
                }

                pub(super) fn store(&self, value: $value, _: Ordering) {
                    self.0.store(value, Ordering::Relaxed);
                }
            }
        };
    }
    relaxed!(AtomicBool, bool);
    relaxed!(AtomicU64, u64);

    impl AtomicU64 {
        pub(super) fn new(value: u64) -> AtomicU64 {
            AtomicU64(atomic::AtomicU64::new(value))
        }
    }
}
