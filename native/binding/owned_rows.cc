#include "native/binding/owned_rows.h"

#include <cstring>

namespace fused_bear_loss {

OwnedRows::OwnedRows(LossProblem& problem, LossOutputs& outputs, std::int64_t allowed_token_count)
    : rows_(problem.rows) {
  for_each_row_input(problem, allowed_token_count,
                     [this](auto& array, std::int64_t count) { array = own(array, count); });
  for_each_row_output(outputs, [this](auto& array) {
    array = own(array, rows_);
    outputs_.push_back(array);
  });
}

template <class T>
T* OwnedRows::own(T* array, std::int64_t count) {
  if (array == nullptr) return nullptr;
  const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
  memory_.push_back(std::unique_ptr<char[]>(new char[bytes]));
  std::memcpy(memory_.back().get(), array, bytes);
  return reinterpret_cast<T*>(memory_.back().get());
}

void OwnedRows::copy_outputs(const LossOutputs& destination) const {
  auto from = outputs_.begin();
  for_each_row_output(destination, [&](auto* array) {
    if (array != nullptr) std::memcpy(array, *from, static_cast<std::size_t>(rows_) * sizeof *array);
    ++from;
  });
}

} // namespace fused_bear_loss
