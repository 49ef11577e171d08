#include "test/emulator/simt/memory_region.h"

#include <algorithm>

namespace simt {

namespace {

constexpr std::size_t kCountedBytes = 2;

// Calls `visit(word index, mask of bits in it)` for the bits [first, first + count).
template <class Visit>
void for_words_of_bits(std::size_t first, std::size_t count, Visit visit) {
  while (count > 0) {
    const std::size_t shift = first % 64;
    const std::size_t taken = std::min<std::size_t>(64 - shift, count);
    const std::uint64_t mask = (taken == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << taken) - 1) << shift;
    visit(first / 64, mask);
    first += taken;
    count -= taken;
  }
}

} // namespace

MemoryRegion::MemoryRegion(std::uintptr_t base, std::size_t bytes)
    : base_(base),
      bytes_(bytes),
      usable_(bytes),
      written_((bytes + 63) / 64, 0),
      pages_((bytes + kWord * kWordsOfPage - 1) / (kWord * kWordsOfPage)),
      order_pages_(pages_.size()) {}

void MemoryRegion::restart(std::size_t bytes) {
  usable_ = bytes;
  std::fill(written_.begin(), written_.end(), 0);
}

void MemoryRegion::mark_written(std::size_t offset, std::size_t bytes) {
  for_words_of_bits(offset, bytes, [this](std::size_t word, std::uint64_t mask) { written_[word] |= mask; });
}

bool MemoryRegion::is_written(std::size_t offset, std::size_t bytes) const {
  bool all = true;
  for_words_of_bits(offset, bytes,
                    [&](std::size_t word, std::uint64_t mask) { all = all && (written_[word] & mask) == mask; });
  return all;
}

MemoryRegion::Word& MemoryRegion::word(std::size_t index) {
  Page& page = pages_[index / kWordsOfPage];
  if (!page) page.reset(new Word[kWordsOfPage]);
  return page[index % kWordsOfPage];
}

Race MemoryRegion::check_races(std::size_t offset, std::size_t bytes, Access access, std::uint32_t oldest_block) {
  Race first_found;
  const auto keep = [&first_found](const Race& race) {
    if (race.found && !first_found.found) first_found = race;
  };
  for (std::size_t at = offset; at < offset + bytes;) {
    const std::size_t begin = at % kWord;
    const std::size_t end = std::min(kWord, begin + offset + bytes - at);
    Word& w = word(at / kWord);
    if (!w.parts && end - begin < kWord) {
      w.parts.reset(new AccessHistory[kWord]);
      std::fill(w.parts.get(), w.parts.get() + kWord, w.whole);
    }
    if (w.parts) {
      for (std::size_t i = begin; i < end; ++i) keep(check_access(w.parts[i], access, oldest_block));
    } else {
      keep(check_access(w.whole, access, oldest_block));
    }
    at += end - begin;
  }
  return first_found;
}

OrderConflict MemoryRegion::check_order(std::size_t offset, std::size_t bytes, Access access) {
  OrderConflict first_found;
  if (running_operation == 0) return first_found;
  const auto keep = [&](OrderHistory& history) {
    if (is_known(history, access)) return;
    const OrderConflict conflict = simt::check_order(history, access);
    if (conflict.found && !first_found.found) first_found = conflict;
  };
  for (std::size_t at = offset; at < offset + bytes;) {
    const std::size_t begin = at % kWord;
    const std::size_t end = std::min(kWord, begin + offset + bytes - at);
    OrderPage& page = order_pages_[at / kWord / kWordsOfPage];
    if (!page) page.reset(new OrderedWord[kWordsOfPage]);
    OrderedWord& w = page[at / kWord % kWordsOfPage];
    if (!w.parts && end - begin < kWord) {
      w.parts.reset(new OrderHistory[kWord]);
      std::fill(w.parts.get(), w.parts.get() + kWord, w.whole);
    }
    if (w.parts) {
      for (std::size_t i = begin; i < end; ++i) keep(w.parts[i]);
    } else {
      keep(w.whole);
    }
    at += end - begin;
  }
  return first_found;
}

void MemoryRegion::count(std::size_t offset, std::size_t bytes, Access access) {
  if (reads_.empty()) {
    reads_.assign((bytes_ + kCountedBytes - 1) / kCountedBytes, 0);
    writes_ = reads_;
  }
  const auto add = [&](std::vector<std::uint8_t>& counts) {
    for (std::size_t i = offset / kCountedBytes; i <= (offset + bytes - 1) / kCountedBytes; ++i) {
      if (counts[i] < 255) ++counts[i];
    }
  };
  if (access != Access::kWrite) add(reads_);
  if (access != Access::kRead) add(writes_);
}

Traffic MemoryRegion::traffic(std::size_t offset, std::size_t bytes) const {
  Traffic result;
  if (reads_.empty() || bytes == 0) return result;
  result.fewest_reads = result.fewest_writes = 255;
  for (std::size_t i = offset / kCountedBytes; i <= (offset + bytes - 1) / kCountedBytes; ++i) {
    const unsigned reads = reads_[i];
    const unsigned writes = writes_[i];
    result.bytes_read += reads * kCountedBytes;
    result.bytes_written += writes * kCountedBytes;
    result.fewest_reads = std::min(result.fewest_reads, reads);
    result.most_reads = std::max(result.most_reads, reads);
    result.fewest_writes = std::min(result.fewest_writes, writes);
    result.most_writes = std::max(result.most_writes, writes);
  }
  return result;
}

void MemoryRegion::clear_traffic() {
  reads_.clear();
  writes_.clear();
}

} // namespace simt
