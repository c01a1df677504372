//! Large pages for memory that is read all over.
//!
//! Argon2 goes through its 19 MiB at random. With pages of 4 KiB nearly each step needs a page that the processor does not
//! remember the place of; with pages of 2 MiB ten of them are all there are. It is a crate of its own because the call is
//! `unsafe`, which the others forbid.

use std::mem::MaybeUninit;

/// Asks the kernel to give this memory large pages when it is first written to, where it has them (Linux, with
/// `/sys/kernel/mm/transparent_hugepage/enabled` at `madvise` or `always`). It is advice: nothing fails where it is not taken.
///
/// For the [spare capacity](Vec::spare_capacity_mut) of a vector that is about to be filled.
pub fn advise<T>(memory: &mut [MaybeUninit<T>]) {
    #[cfg(target_os = "linux")]
    linux::advise(memory.as_mut_ptr_range());
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ops::Range;

    use rustix::mm::Advice;

    /// With all of the pages that it has a part of: what an allocator keeps in front of a block is on the first one.
    pub fn advise<T>(memory: Range<*mut T>) {
        let page = rustix::param::page_size();
        let first = memory.start.map_addr(|start| start - start % page);
        let length = memory.end.addr().next_multiple_of(page) - first.addr();
        #[expect(
            unsafe_code,
            reason = "this advice changes neither what is in the memory nor who may use it (madvise(2)), and the pages are \
                      mapped, for the caller has a part of each of them"
        )]
        // Where the kernel was built without large pages it says so, and all goes on as it was.
        let _ = unsafe { rustix::mm::madvise(first.cast(), length, Advice::LinuxHugepage) };
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::path::Path;

    use super::*;

    /// The flags of the mapping that an address is in, as `proc_pid_smaps(5)` spells them.
    fn flags(address: usize) -> String {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in smaps.lines() {
            let bounds = line.split(' ').next().and_then(|bounds| bounds.split_once('-'));
            let bounds = bounds.and_then(|(start, end)| {
                Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
            });
            if let Some(bounds) = bounds {
                inside = bounds.contains(&address);
            } else if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| inside) {
                return format!("{flags} ");
            }
        }
        panic!("no mapping holds {address:#x}")
    }

    #[test]
    fn the_kernel_is_asked_for_large_pages_for_all_of_the_memory_and_for_nothing_else() {
        const LENGTH: usize = 19 << 20;
        let mut advised: Vec<u8> = Vec::with_capacity(LENGTH);
        let mut plain: Vec<u8> = Vec::with_capacity(LENGTH);
        advise(advised.spare_capacity_mut());
        advised.resize(LENGTH, 1);
        plain.resize(LENGTH, 1);
        assert!(advised.iter().all(|byte| *byte == 1));
        if !Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            return;
        }
        for offset in [0, LENGTH / 2, LENGTH - 1] {
            assert!(flags(&raw const advised[offset] as usize).contains(" hg "), "{offset}");
            assert!(!flags(&raw const plain[offset] as usize).contains(" hg "), "{offset}");
        }
    }

    #[test]
    fn no_memory_needs_no_pages() {
        advise::<u64>(&mut []);
    }
}
