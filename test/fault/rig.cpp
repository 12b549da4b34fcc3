// SPDX-License-Identifier: Apache-2.0
#include "fault/rig.hpp"

#include "fault/containers_dev.hpp"
#include "fault/content.hpp"
#include "image/image.hpp"
#include "image/xfs.hpp"
#include "kit/attached_image.hpp"
#include "kit/leftovers.hpp"
#include "kit/reboot.hpp"
#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/mount.hpp"
#include "volume/record.hpp"

#include <boost/filesystem/operations.hpp>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <sys/statvfs.h>

namespace snapclone::test {
namespace {

namespace json = boost::json;
using Verb = Step::Verb;

constexpr std::size_t kMostLayers = 50;  // volume/freezer.cpp
constexpr int kStill = 6;                // looks in a row that find the same
constexpr auto kSettling = 8s;           // the plugin tries deleting again after 5
constexpr char kLooker[] = "looker";

// Whoever makes a scratch directory removes it before anything else is seen to be done.
bool nothing_but_scratch(std::string const& left) {
  std::istringstream lines(left);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("probes has", 0) != 0) return false;
  }
  return true;
}

}  // namespace

bool says_what_is_left(std::string const& complaints) {
  std::istringstream lines(complaints);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(" failed after ") == std::string::npos) return true;
  }
  return false;
}

Rig::Rig(Ground const& ground, fs::path const& directory)
    : program({.pool = directory / "pool",
               .mounts = directory / "mnt",
               .socket = directory / "s.sock",
               .backend = ground.backend}),
      directory_(directory),
      in_image_(ground.in_image) {
  fs::create_directory(directory_);
  ask_for_image(1);
}

Rig::~Rig() {
  program.kill();
  try {
    unmount_everything();
  } catch (std::exception const&) {
    // a loop device keeps the image: whoever looked for one has said so
  }
  boost::system::error_code ignored;
  fs::remove_all(directory_, ignored);
}

void Rig::ask_for_image(unsigned gigabytes) {
  std::vector<std::string> more = {"--pool-id", (directory_ / "s.sock.pool").string()};
  if (in_image_) more.insert(more.end(), {"--image", std::to_string(gigabytes) + "g"});
  program.set_more_arguments(more);
  gigabytes_ = gigabytes;
}

// What no start may replace: an image with its name, or one that is mounted. By its own ID.
std::string Rig::image() const {
  image::ImageFiles const files(program.pool());
  bool mounted = sys::exists(program.pool()) && sys::is_mounted(program.pool());
  for (auto const& file : {files.image, files.made}) {
    if (!sys::exists(file) || (file == files.made && !mounted)) continue;
    sys::Fd opened(open(file.c_str(), O_RDONLY | O_CLOEXEC));
    auto uuid = image::read_xfs(opened.get()).uuid;
    return {uuid.begin(), uuid.end()};
  }
  return "";
}

void Rig::check_image_size() const {
  if (!in_image_) return;
  struct statvfs now {};
  if (statvfs(program.pool().c_str(), &now) != 0) sys::fail("look at", program.pool().string());
  std::uint64_t const size = std::uint64_t{now.f_blocks} * now.f_frsize;
  std::uint64_t const wanted = std::uint64_t{gigabytes_} << 30U;
  if (size > wanted / 10 * 9 && size <= wanted) return;
  throw std::runtime_error("the image has " + std::to_string(size) + " bytes");
}

void Rig::start(Watching watching) {
  program.kill();
  if (in_image_) {
    known_image_ = image();
    remove_nodes();
  }
  watching_ = watching;
  tracer_.reset();
  if (watching != Watching::nothing) {
    tracer_ = std::make_unique<Tracer>(watching == Watching::looks);
  }
  program.start(tracer_.get());
}

std::string Rig::complaints() const {
  std::istringstream lines(program.log());
  std::string found;
  for (std::string line; std::getline(lines, line);) {
    bool complaint = line.rfind("warning: ", 0) == 0 || line.rfind("error: ", 0) == 0;
    if (complaint) found += line + "\n";
  }
  return found;
}

void Rig::prepare(std::vector<Step> const& steps, Watching watching) {
  start(watching);
  for (auto const& step : steps) must(step);
  // What the last step has done is for the start that is tested.
  bool rests =
      steps.empty() || (steps.back().verb != Verb::litter && steps.back().verb != Verb::detach &&
                        steps.back().verb != Verb::enlarge);
  std::string left = rests ? settle() : "";
  if (!left.empty()) throw std::runtime_error("this does not come to rest:\n" + left);
}

Answer Rig::perform(Step const& step, Watching watching) {
  if (step.verb == Verb::start) start(watching);
  Answer answer = ask_about(step);
  if (step.verb == Verb::mount && answer.ok()) {
    paths_[{step.name, step.id}] = std::string(answer.body.at("Mountpoint").as_string());
  }
  return answer;
}

Answer Rig::ask_about(Step const& step) {
  json::object body{{"Name", step.name}};
  switch (step.verb) {
    case Verb::create: {
      json::object options;
      for (auto const& [key, value] : step.options) options[key] = value;
      body["Opts"] = options;
      return program.ask("Create", body);
    }
    case Verb::remove:
      return program.ask("Remove", body);
    case Verb::mount:
    case Verb::unmount:
      body["ID"] = step.id;
      return program.ask(step.verb == Verb::mount ? "Mount" : "Unmount", body);
    default:
      return program.ask("List", {});
  }
}

void Rig::must(Step const& step) {
  if (step.verb == Verb::fill || step.verb == Verb::change) return plant(step);
  if (step.verb == Verb::raise) return raise(step.name);
  if (step.verb == Verb::litter) return litter(program.pool());
  if (step.verb == Verb::detach) return detach();
  if (step.verb == Verb::enlarge) return ask_for_image(2);
  Answer answer = perform(step, watching_);
  if (!answer.ok()) {
    throw std::runtime_error(described(step) + ": " + answer.error() + "\n" + program.log());
  }
  model = model.after(step);
}

// Everyone who has the same tree mounted sees it.
void Rig::plant(Step const& step) {
  Model::Key key{step.name, step.id};
  fs::path root = paths_.at(key);
  step.verb == Verb::fill ? fill(root) : change(root);
  Manifest all = manifest(root);
  bool shared = !model.volumes.at(step.name).snapshot;
  if (shared) model.volumes.at(step.name).shows = all;
  for (auto& [other, mount] : model.mounts) {
    if (other == key || (shared && other.first == step.name)) mount.shows = all;
  }
}

// While no process looks, the volume gets sealed layers as if it had been frozen so many times.
void Rig::raise(std::string const& name) {
  program.kill();
  fs::path path = program.pool() / "volumes" / name / "volume.json";
  volume::Record record = volume::decode_record(sys::read_file(path));
  while (record.stack.size() < kMostLayers) {
    std::string id = sys::random_id();
    fs::path layer = program.pool() / "layers" / id;
    sys::make_dir(layer);
    sys::make_dir(layer / "fs", 0755);
    std::ofstream((layer / "fs" / ("layer " + id)).string()) << id;
    record.stack.insert(record.stack.begin(), id);
  }
  sys::write_file(path, encode(record), sys::Durability::process);
  start(watching_);
  model.volumes.at(name).shows = shown(name);
}

void Rig::detach() {
  if (!settle().empty()) throw std::runtime_error("this does not come to rest before it is left");
  program.kill();
  unmount_everything();
}

Model Rig::found() {
  Model all;
  Answer list = program.ask("List", {});
  if (!list.ok()) throw std::runtime_error("it does not start:\n" + program.log());
  if (!known_image_.empty() && image() != known_image_) {
    throw std::runtime_error("another image is there");
  }
  for (auto const& entry : list.body.at("Volumes").as_array()) {
    std::string name(entry.at("Name").as_string());
    all.volumes[name] = look_at(name);
  }
  all.mounts = mounts();
  return all;
}

Model::Volume Rig::look_at(std::string const& name) {
  Answer answer = program.ask("Get", {{"Name", name}});
  if (!answer.ok()) throw std::runtime_error("Get " + name + ": " + answer.error());
  json::object const& status = answer.body.at("Volume").at("Status").as_object();
  if (auto const* error = status.if_contains("error")) {
    throw std::runtime_error("Get " + name + ": " + json::serialize(*error));
  }
  Model::Volume volume;
  volume.snapshot = status.at("kind") == "snapshot";
  fs::path record = program.pool() / "volumes" / name / "volume.json";
  volume.options = volume::decode_record(sys::read_file(record)).options;
  volume.shows = shown(name);
  return volume;
}

Manifest Rig::shown(std::string const& name) {
  Step mount{Verb::mount, name, kLooker, {}};
  Answer answer = perform(mount);
  if (!answer.ok()) throw std::runtime_error("Mount " + name + ": " + answer.error());
  Manifest all = manifest(paths_.at({name, kLooker}));
  answer = perform({Verb::unmount, name, kLooker, {}});
  if (!answer.ok()) throw std::runtime_error("Unmount " + name + ": " + answer.error());
  return all;
}

// Who has what mounted, as the records have it, and what is to be seen there.
std::map<Model::Key, Model::Mount> Rig::mounts() const {
  std::map<Model::Key, Model::Mount> all;
  for (auto const& id : sys::list_dir(program.pool() / "clones" / sys::boot_id())) {
    fs::path record = program.pool() / "clones" / sys::boot_id() / id / "clone.json";
    auto clone = volume::decode_clone(sys::read_file(record));
    fs::path path = program.mounts() / "clones" / id;
    if (!sys::is_mounted(path)) throw std::runtime_error(path.string() + " is not mounted");
    all[{clone.volume.text(), clone.mount_id.text()}] = {clone.count, manifest(path)};
  }
  for (auto const& name : sys::list_dir(program.pool() / "mounts" / sys::boot_id())) {
    fs::path path = program.mounts() / "volumes" / name;
    if (!sys::is_mounted(path)) throw std::runtime_error(path.string() + " is not mounted");
    auto counts =
        volume::decode_counts(sys::read_file(program.pool() / "mounts" / sys::boot_id() / name));
    for (auto const& [id, count] : counts) all[{name, id.text()}] = {count, manifest(path)};
  }
  return all;
}

std::string Rig::settle(Enough const& enough) {
  std::string left;
  int unchanged = 0;
  auto const end = std::chrono::steady_clock::now() + kSettling;
  for (auto pause = 1ms; !program.ended(); pause = std::min(pause * 2, 50ms)) {
    std::string before =
        std::exchange(left, leftovers(program.pool(), program.mounts(), tolerated_) +
                                (in_image_ ? nodes_left() : ""));
    // Twice, as one look at everything is not one moment.
    if (left.empty() || (left == before && nothing_but_scratch(left))) break;
    unchanged = left == before ? unchanged + 1 : 0;
    if (enough && unchanged >= kStill && enough(left)) break;
    if (std::chrono::steady_clock::now() > end) break;
    program.wait_for(-1, 0, pause);
  }
  return left;
}

void Rig::unmount_everything() {
  unmount_all(program.mounts());
  if (in_image_) detach_image(program.pool());
  tolerated_.held = true;
}

void Rig::boot() {
  program.kill();
  unmount_all(program.mounts());
  reboot(program.pool());
  unmount_everything();
  tolerated_.held = false;
  start();
}

void Rig::clear() {
  while (!model.mounts.empty()) {
    auto const& [name, id] = model.mounts.begin()->first;
    must({Verb::unmount, name, id, {}});
  }
  while (!model.volumes.empty()) must({Verb::remove, model.volumes.begin()->first, "", {}});
}

std::map<std::string, std::size_t> Rig::heights() const { return test::heights(program.pool()); }

}  // namespace snapclone::test
