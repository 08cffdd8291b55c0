#pragma once

#include <utility>

namespace conopa {

class WorkTeam;

/// What the loops of one thread run on.
struct TeamState {
  WorkTeam* team = nullptr;  ///< null: the OpenMP team
  bool inside_loop = false;  ///< on a thread that runs a part of a team's loop
};

[[nodiscard]] inline TeamState& team_state() noexcept {
  thread_local TeamState state;
  return state;
}

}  // namespace conopa
