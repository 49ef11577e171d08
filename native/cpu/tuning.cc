#include "native/cpu/tuning.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#endif

namespace fused_bear_loss {
namespace {

// What was measured, and on what: docs/performance.md.
constexpr Tuning kTunings[] = {
    kDefaultTuning,
    {"zen4", {16384, 1, 0}, std::int64_t{8} << 20, 1 << 16, 0, 1 << 16, 1 << 18},
    // And Emerald and Granite Rapids: the same core with 2 MB of second-level cache.
    {"sapphire-rapids", {65536, 8, 512}, std::int64_t{8} << 20, 1 << 16, 1 << 18, kNoLimit, 1 << 18},
};

// Virtual machines report models that are not the processor's (a Rapids as model 167, seen). What cannot be made up are
// the instructions.
const char* identify_processor() {
#if defined(__x86_64__) && defined(__GNUC__)
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  char vendor[13] = "";
  if (__get_cpuid(0, &a, &b, &c, &d) == 0) return kDefaultTuning.name;
  std::memcpy(vendor, &b, sizeof b);
  std::memcpy(vendor + 4, &d, sizeof d);
  std::memcpy(vendor + 8, &c, sizeof c);
  __get_cpuid(1, &a, &b, &c, &d);
  const unsigned family = (a >> 8 & 0xf) + (a >> 20 & 0xff);
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return kDefaultTuning.name;
  const bool has_avx512f = (b >> 16 & 1) != 0;
  const bool has_avx512_fp16 = (d >> 23 & 1) != 0;
  // Zen 3 has the same family number, and no AVX-512.
  if (std::strcmp(vendor, "AuthenticAMD") == 0 && family == 0x19 && has_avx512f) return "zen4";
  if (std::strcmp(vendor, "GenuineIntel") == 0 && has_avx512_fp16) return "sapphire-rapids";
#endif
  return kDefaultTuning.name;
}

} // namespace

const char* processor_family() {
  static const char* const family = identify_processor();
  return family;
}

namespace {

const Tuning* find_tuning(const char* name) {
  for (const Tuning& each : kTunings) {
    if (std::strcmp(each.name, name) == 0) return &each;
  }
  return nullptr;
}

struct Setting {
  const char* name;
  std::int64_t& value;
  std::int64_t least;
  std::int64_t most;
  bool is_power_of_two;
};

// Sets what "name=value" says; false where it says nothing that can be followed.
bool change(Tuning& tuning, const char* text) {
  Prefetch& prefetch = tuning.prefetch;
  const Setting settings[] = {
      {"prefetchWindow", prefetch.window_bytes, kLeastPrefetchWindow, 1 << 20, true},
      {"prefetchStreams", prefetch.streams, 1, kMostPrefetchStreams, true},
      {"prefetchNear", prefetch.near_bytes, 0, 1 << 16, false},
      {"streamedGradientBytes", tuning.streamed_gradient_bytes, 0, kNoLimit, false},
      {"longRow", tuning.long_row, 1, kNoLimit, false},
      {"recomputedRow", tuning.recomputed_row, 0, kNoLimit, false},
      {"longStreamedRow", tuning.long_streamed_row, 1, kNoLimit, false},
      {"logitsPerShare", tuning.logits_per_share, 1, kNoLimit, false},
  };
  const char* const equals = std::strchr(text, '=');
  if (equals == nullptr) return false;
  for (const Setting& setting : settings) {
    const auto length = static_cast<std::size_t>(equals - text);
    if (std::strlen(setting.name) != length || std::strncmp(setting.name, text, length) != 0) continue;
    char* end = nullptr;
    const std::int64_t value = std::strtoll(equals + 1, &end, 10);
    if (end == equals + 1 || *end != '\0' || value < setting.least || value > setting.most) return false;
    if (setting.is_power_of_two && (value & (value - 1)) != 0) return false;
    setting.value = value;
    return true;
  }
  return false;
}

// No string, no vector: it needs no memory to be made, and a thread may still look at it while the process exits.
struct Selection {
  Tuning tuning = kDefaultTuning;
  char text[160] = "";
  char error[200] = "";
};

void choose_own(Selection& selected) {
  selected.tuning = *find_tuning(processor_family());
  std::snprintf(selected.text, sizeof selected.text, "%s", selected.tuning.name);
}

// Leaves the choice for this processor where the wish cannot be followed.
void choose(Selection& selected, const char* wanted) {
  selected.error[0] = '\0';
  choose_own(selected);
  if (wanted == nullptr || *wanted == '\0') return;
  char text[sizeof selected.text] = "";
  const int length = std::snprintf(text, sizeof text, "%s", wanted);
  Tuning tuning = selected.tuning;
  const char* wrong = length < static_cast<int>(sizeof text) ? nullptr : "a text so long";
  const char* const text_end = text + std::strlen(text);
  for (char* part = text; part <= text_end && wrong == nullptr; part += std::strlen(part) + 1) {
    char* const comma = std::strchr(part, ',');
    if (comma != nullptr) *comma = '\0';
    const Tuning* const named = part == text ? find_tuning(part) : nullptr;
    if (named != nullptr) {
      tuning = *named;
    } else if (!change(tuning, part)) {
      wrong = part;
    }
  }
  if (wrong != nullptr) {
    std::snprintf(selected.error, sizeof selected.error, "there is no tuning %s", wrong);
    return;
  }
  selected.tuning = tuning;
  std::snprintf(selected.text, sizeof selected.text, "%s", wanted);
}

Selection& selection() {
  static Selection selected = [] {
    Selection chosen;
    choose(chosen, std::getenv("FUSED_BEAR_LOSS_TUNING"));
    return chosen;
  }();
  return selected;
}

} // namespace

const Tuning& tuning() { return selection().tuning; }

const char* tuning_text() { return selection().text; }

const char* tuning_error() { return selection().error; }

const char* force_tuning(const char* text) {
  choose(selection(), text);
  return selection().error;
}

} // namespace fused_bear_loss
