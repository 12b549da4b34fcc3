// SPDX-License-Identifier: Apache-2.0
#include "backend/backend.hpp"

#include "backend/temporary.hpp"
#include "sys/error.hpp"
#include "sys/log.hpp"
#include "tree/copy_file.hpp"
#include "tree/remove_tree.hpp"
#include "tree/subvolume.hpp"

namespace snapclone::backend {
namespace {

fs::path hold_mark(fs::path const& tree) { return tree / "held"; }

}  // namespace

void Backend::try_reflinks() {
  constexpr std::size_t kBlock = 4096;
  try {
    TemporaryDirectory trial(pool_.staging());
    fs::path file = trial.path() / "file";
    sys::write_file(file, std::string(kBlock, 'x'), sys::Durability::process);
    reflinks_ = tree::can_reflink(file, trial.path() / "reflink");
  } catch (sys::Error const& error) {
    sys::log_warning(std::string("Status will not say what first writes copy: ") + error.what());
  }
}

Use Backend::use_of(fs::path const& tree) {
  fs::path mark = hold_mark(tree);
  if (sys::exists(mark) && sys::read_file(mark) == pool_.boot()) return Use::unknown;
  return probe(tree);
}

void Backend::hold_until_boot(fs::path const& tree) const {
  try {
    sys::write_file(hold_mark(tree), pool_.boot(), sys::Durability::process);
  } catch (sys::Error const& error) {
    if (error.code() != ENOSPC) throw;
    pool_.take_reserve();  // the next start keeps it again
    sys::write_file(hold_mark(tree), pool_.boot(), sys::Durability::process);
  }
}

void Backend::remove(fs::path const& root, std::stop_token const& stop) const {
  tree::remove_tree(root, stop, tree::remove_subvolume);
}

CopyReport Backend::copy(fs::path const& from, fs::path const& to, bool through_overlay) const {
  tree::CopyOptions options;
  options.through_overlay = through_overlay;
  options.stop = copies_stop_.get_token();
  return tree::copy_tree(from, to, options);
}

}  // namespace snapclone::backend
