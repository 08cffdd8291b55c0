#pragma once

#include <gtest/gtest.h>

#include <string>

namespace conopa::testing {

/// The text of the `Expected` exception that `action` throws; the test fails if it throws none.
template <typename Expected, typename Action>
std::string message_of(Action action) {
  try {
    action();
  } catch (const Expected& e) {
    return e.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace conopa::testing
