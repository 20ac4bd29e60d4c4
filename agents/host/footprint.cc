#include "agents/host/footprint.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace sluice::agent {
namespace {

// What nobody ever writes to, relocations included, is the file's own bytes.
int Forget(dl_phdr_info* object, size_t, void*) {
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = object->dlpi_phdr[i];
    if (part.p_type != PT_LOAD || (part.p_flags & PF_W) != 0) continue;
    const uintptr_t begin =
        (object->dlpi_addr + part.p_vaddr + page - 1) & ~(page - 1);
    const uintptr_t end =
        (object->dlpi_addr + part.p_vaddr + part.p_memsz) & ~(page - 1);
    if (begin < end) {
      madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
  }
  return 0;
}

}  // namespace

void KeepHeapSmall() {
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 128 << 10);
}

void GiveBackMemory() {
  malloc_trim(0);
  dl_iterate_phdr(Forget, nullptr);
}

}  // namespace sluice::agent
