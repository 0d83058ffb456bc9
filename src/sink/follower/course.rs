//! What the other side of a sink should remember of the journal's chain: that of the delivery that
//! it took last, or of the one on whose answer the sink waited in vain.

use crate::chains::ChainAt;

#[derive(Default)]
pub(super) struct Course {
    taken: Option<ChainAt>,
    tried: Option<ChainAt>,
}

impl Course {
    /// The next delivery belongs to this.
    pub(super) fn goes_on(&mut self, at: ChainAt) {
        (self.taken, self.tried) = (self.tried.or(self.taken), Some(at));
    }

    /// Whether what the other side remembers came from here; it is what counts from now on.
    pub(super) fn is_known(&mut self, proof: Option<ChainAt>) -> bool {
        let is_known = proof.is_none() || proof == self.taken || proof == self.tried;
        (self.taken, self.tried) = (proof, None);
        is_known
    }
}
