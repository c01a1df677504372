//! The memory Argon2id works in: one block a worker, allocated at its first hash and used again for every later one.
//!
//! A fresh allocation for each hash costs page faults, and memory without bound when many hash at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::{Algorithm, Argon2, Block, Params, Version};

use super::hash::Parameters;

/// What all workers of a pool have done so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    computations: AtomicUsize,
    allocations: AtomicUsize,
}

impl Tally {
    pub fn computations(&self) -> usize {
        self.computations.load(Ordering::Relaxed)
    }

    /// Blocks of memory allocated, temporary ones included.
    #[cfg(test)]
    pub fn allocations(&self) -> usize {
        self.allocations.load(Ordering::Relaxed)
    }
}

/// One worker's memory.
pub(super) struct Arena {
    resident: Vec<Block>,
    resident_blocks: usize,
    tally: Arc<Tally>,
}

impl Arena {
    /// An arena that keeps the memory `usual` needs. Nothing is allocated yet.
    pub fn new(usual: Parameters, tally: Arc<Tally>) -> Self {
        Self { resident: Vec::new(), resident_blocks: params(usual, None).block_count(), tally }
    }

    /// Fills `output` with the Argon2id (version 1.3) hash.
    ///
    /// # Panics
    /// As [`argon2`](Self::argon2) does.
    pub fn argon2id(&mut self, parameters: Parameters, password: &[u8], salt: &[u8], output: &mut [u8]) {
        self.argon2((Algorithm::Argon2id, Version::V0x13), parameters, (password, salt), output);
    }

    /// Fills `output` with the hash of whichever variant. Where `parameters` need more memory than the arena keeps, they
    /// get a block of their own, freed at once.
    ///
    /// # Panics
    /// When `salt` is shorter than 8 bytes or `output` than 4, which no caller's types allow.
    pub fn argon2(
        &mut self,
        (algorithm, version): (Algorithm, Version),
        parameters: Parameters,
        (password, salt): (&[u8], &[u8]),
        output: &mut [u8],
    ) {
        let params = params(parameters, Some(output.len()));
        let needed = params.block_count();
        let mut temporary = Vec::new();
        let memory = if needed <= self.resident_blocks { &mut self.resident } else { &mut temporary };
        if memory.is_empty() {
            self.tally.allocations.fetch_add(1, Ordering::Relaxed);
            *memory = allocated(needed.max(self.resident_blocks));
        }
        self.tally.computations.fetch_add(1, Ordering::Relaxed);
        Argon2::new(algorithm, version, params)
            .hash_password_into_with_memory(password, salt, output, memory)
            .expect("lengths and memory are within what Argon2 asks for");
    }
}

/// Memory for so many blocks, in large pages where the system has them: a hash takes a twelfth less time there.
fn allocated(blocks: usize) -> Vec<Block> {
    let mut memory = Vec::with_capacity(blocks);
    signet_huge_pages::advise(memory.spare_capacity_mut());
    memory.resize(blocks, Block::new());
    memory
}

fn params(parameters: Parameters, output_length: Option<usize>) -> Params {
    Params::new(parameters.memory_kib(), parameters.iterations(), parameters.parallelism(), output_length)
        .expect("`Parameters` are within Argon2's own bounds")
}
