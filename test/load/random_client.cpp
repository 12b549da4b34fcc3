// SPDX-License-Identifier: Apache-2.0
#include "load/random_client.hpp"

#include "sys/error.hpp"
#include "sys/file.hpp"

#include <fcntl.h>

namespace snapclone::test {
namespace {

constexpr std::size_t kMostMounted = 3;
constexpr unsigned kHotNames = 10;
constexpr unsigned kSharedIds = 3;

bool has(std::string const& text, char const* part) { return text.find(part) != std::string::npos; }

Files listed_in(fs::path const& directory) {
  auto names = sys::list_dir(directory);
  return {names.begin(), names.end()};
}

// The tag of the volume that an answer to Get shows.
int tag_of(json::object const& status) {
  auto const* target = status.if_contains("target");
  return target == nullptr ? -1 : std::stoi(std::string(target->as_string().subview(3)));
}

struct Malformed {
  std::string request;
  unsigned status;
  char const* error;
};

std::vector<Malformed> const& all_malformed() {
  using test::post;
  static std::string const driver = "/VolumeDriver.";
  static std::vector<Malformed> const all = {
      {post(driver + "Create", "{"), 500, "Create: "},
      {post(driver + "Create", ""), 500, "no body"},
      {post(driver + "Create", R"({"Name":"../etc"})"), 500, "is not allowed"},
      {post(driver + "Create", R"({"Name":"good","Opts":{"colour":"red"}})"), 500,
       "unknown option"},
      {post(driver + "Create", R"({"Name":"good","Opts":{"access":"ro"}})"), 500, "snapshot-of"},
      {post(driver + "Mount", R"({"Name":"good","ID":"a/b"})"), 500, "is not allowed"},
      {post(driver + "Mount", R"({"Name":"good"})"), 500, "Mount: "},
      {post(driver + "Unmount", "[]"), 500, "Unmount: "},
      {post(driver + "Remove", R"({"Name":7})"), 500, "Remove: "},
      {post(driver + "Get", "null"), 500, "Get: "},
      {post(driver + "Get", ""), 0, ""},
      {post(driver + "Format", "{}"), 404, "nothing at"},
      {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 405, "only POST"},
      {"rubbish\r\n\r\n", 400, "cannot be read"},
  };
  return all;
}

}  // namespace

void RandomClient::step() {
  struct Choice {
    unsigned weight;
    void (RandomClient::*act)();
  };
  static std::vector<Choice> const choices = {
      {18, &RandomClient::create},        {3, &RandomClient::create_again},
      {20, &RandomClient::mount},         {7, &RandomClient::mount_again},
      {22, &RandomClient::unmount},       {18, &RandomClient::remove},
      {12, &RandomClient::look},          {1, &RandomClient::list},
      {3, &RandomClient::find_path},      {2, &RandomClient::ask_for_capabilities},
      {3, &RandomClient::send_malformed}, {4, &RandomClient::hang_up},
      {20, &RandomClient::use},
  };
  unsigned total = 0;
  for (auto const& choice : choices) total += choice.weight;
  unsigned at = below(total);
  for (auto const& [weight, act] : choices) {
    if (at < weight) return (this->*act)();
    at -= weight;
  }
}

// Some names are used much more than others.
std::string RandomClient::some_name() {
  unsigned number = one_in(4) ? below(kHotNames) : below(shared_.names);
  return "v" + std::to_string(100 + number);
}

// Nobody else's, and its first twelve characters are no other's either.
std::string RandomClient::some_id(char kind) {
  return kind + std::to_string(100 + number_) + "n" + std::to_string(1'000'000 + ++ids_);
}

RandomClient::Mounted* RandomClient::some_mounted() {
  return mounted_.empty() ? nullptr : &mounted_[below(mounted_.size())];
}

Answer RandomClient::ask(std::string const& verb, json::object const& body) {
  begin_ = Clock::now();
  return caller_.ask(verb, body);
}

void RandomClient::note(std::string const& name, Observation observation) {
  observation.begin = begin_;
  observation.end = Clock::now();
  observations_[name].push_back(std::move(observation));
}

void RandomClient::expect(bool fine, std::string const& what) {
  if (!fine) complaints_ += what + "\n";
}

// What a refusal says of the name that was asked for.
void RandomClient::refused(std::string const& name, std::string const& what,
                           std::string const& error) {
  if (has(error, "there is no volume")) return note(name, {.kind = Observation::absent});
  if (has(error, "is in use by") || has(error, "live clone")) {
    return note(name, {.kind = Observation::in_use});
  }
  // A Mount meets a Remove.
  expect(has(error, "has just been removed"), what + " " + name + ": " + error);
}

void RandomClient::mount() {
  if (mounted_.size() >= kMostMounted) return unmount();
  Mounted mounted;
  mounted.name = some_name();
  mounted.own = !one_in(6);
  mounted.id = mounted.own ? some_id('c') : "shared" + std::to_string(below(kSharedIds));
  Answer answer = ask("Mount", {{"Name", mounted.name}, {"ID", mounted.id}});
  if (!answer.ok()) return refused(mounted.name, "Mount", answer.error());
  mounted.path = answer.text("Mountpoint");
  note(mounted.name, {.kind = Observation::mounted,
                      .id = mounted.id,
                      .own = mounted.own,
                      .path = mounted.path.string()});
  inspect(mounted);
  mounted_.push_back(std::move(mounted));
}

// As the engine does for `docker cp`: it must work, whatever else is going on.
void RandomClient::mount_again() {
  Mounted* mounted = some_mounted();
  if (mounted == nullptr) return;
  Answer answer = ask("Mount", {{"Name", mounted->name}, {"ID", mounted->id}});
  expect(answer.text("Mountpoint") == mounted->path, "a nested Mount gave " + answer.error());
  note(mounted->name, {.kind = Observation::mounted,
                       .id = mounted->id,
                       .own = mounted->own,
                       .path = mounted->path.string()});
  ++mounted->depth;
}

void RandomClient::unmount() {
  Mounted* mounted = some_mounted();
  if (mounted != nullptr) return unmount(*mounted);
  std::string name = some_name();  // an ID that nobody has
  expect(ask("Unmount", {{"Name", name}, {"ID", "unknown"}}).ok(), "an unknown Unmount failed");
  note(name, {.kind = Observation::unmounted, .id = "unknown"});
}

void RandomClient::unmount(Mounted& mounted) {
  Answer answer = ask("Unmount", {{"Name", mounted.name}, {"ID", mounted.id}});
  expect(answer.ok(), "Unmount " + mounted.name + ": " + answer.error());
  note(mounted.name, {.kind = Observation::unmounted, .id = mounted.id, .own = mounted.own});
  if (--mounted.depth > 0) return;
  std::swap(mounted, mounted_.back());
  mounted_.pop_back();
}

void RandomClient::leave() {
  while (!mounted_.empty()) unmount(mounted_.back());
}

void RandomClient::remove() {
  std::string name = some_name();
  Answer answer = ask("Remove", {{"Name", name}});
  if (!answer.ok()) return refused(name, "Remove", answer.error());
  note(name, {.kind = Observation::removed});
}

void RandomClient::look() { look_at(some_name(), nullptr); }

// Who has it mounted learns what it is: that cannot change meanwhile.
void RandomClient::look_at(std::string const& name, Mounted* mounted) {
  Answer answer = ask("Get", {{"Name", name}});
  if (!answer.ok()) return refused(name, "Get", answer.error());
  json::object const& volume = answer.body.at("Volume").as_object();
  json::object const& status = volume.at("Status").as_object();
  bool snapshot = status.at("kind").as_string() == "snapshot";
  int tag = tag_of(status);
  auto mounts = status.at(snapshot ? "clones" : "mounts").to_number<std::size_t>();
  seen_ = name;
  note(name, {.kind = Observation::present, .tag = tag});
  note(name, {.kind = Observation::has_mounts, .number = mounts});
  note(name, {.kind = Observation::is_mounted_at,
              .path = std::string(volume.at("Mountpoint").as_string())});
  if (mounted == nullptr) return;
  mounted->tag = tag;
  mounted->snapshot = snapshot;
  mounted->writable = !snapshot || status.if_contains("access") == nullptr;
}

void RandomClient::list() {
  Answer answer = ask("List", {});
  expect(answer.ok(), "List: " + answer.error());
  Files there;
  for (auto const& volume : answer.body.at("Volumes").as_array()) {
    there.emplace(volume.as_object().at("Name").as_string());
  }
  for (int i = 0; i < shared_.names; ++i) {
    std::string name = "v" + std::to_string(100 + i);
    note(name, {.kind = there.erase(name) != 0 ? Observation::listed : Observation::absent});
  }
  expect(there.empty(), "List shows what nobody made:" + listed(there));
}

void RandomClient::find_path() {
  std::string name = some_name();
  Answer answer = ask("Path", {{"Name", name}});
  if (!answer.ok()) return refused(name, "Path", answer.error());
  note(name, {.kind = Observation::is_mounted_at, .path = answer.text("Mountpoint")});
}

void RandomClient::ask_for_capabilities() {
  Answer answer = ask("Capabilities", {});
  expect(answer.ok() && answer.body.at("Capabilities").as_object().at("Scope") == "local",
         "Capabilities: " + answer.error());
}

void RandomClient::send_malformed() {
  auto const& [request, status, error] = all_malformed()[below(all_malformed().size())];
  Answer answer = caller_.send_bytes(request);
  expect(answer.status == status && has(answer.error(), error),
         request + " was answered with " + std::to_string(answer.status) + " " + answer.error());
  if (answer.status == 400 || answer.status == 405) caller_.hang_up();
}

void RandomClient::hang_up() {
  Unanswered unanswered;
  if (one_in(4)) {
    unanswered.spec = some_spec();
    unanswered.name = unanswered.spec.name;
    unanswered.begin = Clock::now();
    caller_.send("Create", {{"Name", unanswered.name}, {"Opts", unanswered.spec.options}});
    ++creates_;
  } else {
    unanswered.name = some_name();
    unanswered.id = some_id('h');
    unanswered.begin = Clock::now();
    caller_.send("Mount", {{"Name", unanswered.name}, {"ID", unanswered.id}});
  }
  if (one_in(2)) std::this_thread::sleep_for(std::chrono::microseconds(below(4000)));
  caller_.hang_up();
  unanswered_.push_back(std::move(unanswered));
}

void RandomClient::inspect(Mounted& mounted) {
  if (!mounted.own) return;
  look_at(mounted.name, &mounted);
  expect(mounted.tag != 0, mounted.name + " is mounted, and Get does not know it");
  if (mounted.tag <= 0) return;
  check_content(mounted);
  mounted.files = listed_in(mounted.path);
}

void RandomClient::check_content(Mounted& mounted) {
  auto begin = Clock::now();
  Files shown = listed_in(mounted.path);
  if (mounted.snapshot && !mounted.files.empty()) {
    expect(shown == mounted.files, "a clone of " + mounted.name + " shows" + listed(shown) +
                                       " instead of" + listed(mounted.files));
  } else {
    std::string wrong = shared_.contents.shows(mounted.tag, shown, begin);
    expect(wrong.empty(), mounted.name + ": " + wrong);
  }
}

void RandomClient::use() {
  Mounted* mounted = some_mounted();
  if (mounted == nullptr || mounted->tag <= 0) return;
  check_content(*mounted);
  std::string rest = mounted->id + "-" + std::to_string(++ids_);
  std::string file = mounted->snapshot ? "c-" + rest : Contents::new_file(mounted->tag, rest);
  begin_ = Clock::now();
  sys::Fd made(open((mounted->path / file).c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644));
  bool written = made.get() >= 0;
  expect(written == mounted->writable, mounted->name + ": " + file + ": " + sys::errno_text(errno));
  if (!written) return;
  if (mounted->snapshot) {
    mounted->files.insert(file);
  } else {
    note(mounted->name, {.kind = Observation::wrote, .path = file});
    shared_.contents.wrote(mounted->tag, file, Clock::now());
  }
}

}  // namespace snapclone::test
