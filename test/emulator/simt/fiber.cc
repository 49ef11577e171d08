#include "test/emulator/simt/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace simt {

#ifdef SIMT_HAND_WRITTEN_SWITCH

// swapcontext() asks the kernel for the signal mask at every switch and is ten times slower.
extern "C" void simt_switch_stack(void** save, void* load);
__asm__(R"(
.text
.globl simt_switch_stack
.hidden simt_switch_stack
.type simt_switch_stack, @function
simt_switch_stack:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.size simt_switch_stack, . - simt_switch_stack
)");

void switch_context(Context& from, Context& to) { simt_switch_stack(&from.stack_pointer, to.stack_pointer); }

void prepare_context(Context& context, char* stack, std::size_t bytes, void (*entry)()) {
  constexpr int kSavedRegisters = 6;
  void** top = reinterpret_cast<void**>((reinterpret_cast<std::uintptr_t>(stack) + bytes) & ~std::uintptr_t{15});
  *--top = nullptr; // where `entry` would return to; also the alignment that a function expects
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < kSavedRegisters; ++i) *--top = nullptr;
  context.stack_pointer = top;
}

#else

void switch_context(Context& from, Context& to) { swapcontext(&from.registers, &to.registers); }

void prepare_context(Context& context, char* stack, std::size_t bytes, void (*entry)()) {
  getcontext(&context.registers);
  context.registers.uc_stack.ss_sp = stack;
  context.registers.uc_stack.ss_size = bytes;
  context.registers.uc_link = nullptr;
  makecontext(&context.registers, entry, 0);
}

#endif

namespace {
constexpr std::size_t kGuardBytes = 4096;
} // namespace

void StackPool::reserve(std::size_t count) {
  if (count <= count_) return;
  if (base_ != nullptr) munmap(base_, count_ * kStackBytes);
  void* memory =
      mmap(nullptr, count * kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    std::perror("emulator: no memory for the stacks of the threads");
    std::abort();
  }
  base_ = static_cast<char*>(memory);
  count_ = count;
  for (std::size_t i = 0; i < count; ++i) mprotect(base_ + i * kStackBytes, kGuardBytes, PROT_NONE);
}

char* StackPool::stack(std::size_t index) const { return base_ + index * kStackBytes + kGuardBytes; }

std::size_t StackPool::stack_bytes(std::size_t index) const {
  return kStackBytes - kGuardBytes - (index * 1088) % 16384;
}

bool StackPool::contains(std::uintptr_t address, std::size_t& index) const {
  const auto first = reinterpret_cast<std::uintptr_t>(base_);
  if (address < first || address >= first + count_ * kStackBytes) return false;
  index = (address - first) / kStackBytes;
  return true;
}

} // namespace simt
