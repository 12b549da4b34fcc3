// SPDX-License-Identifier: Apache-2.0
#include "api/dispatch.hpp"

#include "api/status.hpp"
#include "sys/log.hpp"
#include "sys/text.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>

namespace snapclone::api {
namespace {

constexpr std::size_t kShortId = 12;

// Counts a verb when it has ended, and logs it: "Mount seed id=3f2a9c01b2d4 0.71 ms" or "… failed
// after …: why".
class Line {
 public:
  Line(Metrics& metrics, Verb verb, std::string const& of = "")
      : metrics_(metrics),
        verb_(verb),
        what_(std::string(name_of(verb)) + (of.empty() ? "" : " " + of)) {}

  void done(std::string const& result = "") const {
    sys::log_info(what_ + (result.empty() ? "" : " -> " + result) + " " + elapsed());
    count(true);
  }
  void seen() const {
    sys::log_debug(what_ + " " + elapsed());
    count(true);
  }
  void failed(std::string const& why) const {
    sys::log_warning(what_ + " failed after " + elapsed() + ": " + why);
    count(false);
  }

 private:
  void count(bool succeeded) const {
    metrics_.count(verb_, succeeded, std::chrono::steady_clock::now() - start_);
  }
  std::string elapsed() const {
    std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start_;
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.2f ms", time.count());
    return text.data();
  }

  Metrics& metrics_;
  Verb verb_;
  std::string what_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Reply error_reply(std::string const& sentence, unsigned status = 500) {
  return {status, encode_error(sentence)};
}

std::string described(MountRequest const& request) {
  return sys::excerpt(request.name) + " id=" + sys::excerpt(request.id.substr(0, kShortId));
}

// The answer to a verb that runs: given once, and logged after that, since the engine need not wait
// for the log.
class Answer {
 public:
  Answer(Respond const& respond, Line const& line) : respond_(respond), line_(line) {}

  void done(Reply reply, std::string const& result = "") {
    if (std::exchange(given_, true)) return;
    respond_(std::move(reply));
    line_.done(result);
  }
  void failed(std::string const& why) {
    if (std::exchange(given_, true)) return sys::log_warning(why);
    respond_(error_reply(why));
    line_.failed(why);
  }

 private:
  Respond const& respond_;
  Line const& line_;
  bool given_ = false;
};

// Runs a verb, which gives the answer as soon as it can; a throw becomes an error reply.
template <class Work>
void reply_with(Respond const& respond, Line const& line, Work const& work) {
  Answer answer(respond, line);
  try {
    work(answer);
  } catch (std::exception const& error) {
    answer.failed(error.what());
  }
}

}  // namespace

void Dispatch::open() {
  std::vector<std::function<void()>> waiting;
  {
    std::lock_guard lock(mutex_);
    open_ = true;
    waiting.swap(waiting_);
  }
  for (auto const& request : waiting) request();
}

void Dispatch::handle(std::string target, std::string body, Respond respond) {
  auto verb = verb_of(target);
  if (!verb) {
    respond(error_reply("there is nothing at " + sys::excerpt(target), 404));
  } else if (*verb == Verb::activate) {
    respond({200, encode_activate()});
    Line(services_.metrics, *verb).seen();
  } else if (*verb == Verb::capabilities) {
    respond({200, encode_capabilities()});
    Line(services_.metrics, *verb).seen();
  } else {
    {
      std::lock_guard lock(mutex_);
      if (!open_) {
        waiting_.push_back([this, verb = *verb, body = std::move(body),
                            respond = std::move(respond)] { answer(verb, body, respond); });
        return;
      }
    }
    answer(*verb, body, respond);
  }
}

void Dispatch::answer(Verb verb, std::string const& body, Respond const& respond) {
  try {
    switch (verb) {
      case Verb::create:
        return create(body, respond);
      case Verb::remove:
        return remove(body, respond);
      case Verb::mount:
        return mount(body, respond);
      case Verb::unmount:
        return unmount(body, respond);
      default:
        return look_up(verb, body, respond);
    }
  } catch (std::exception const& error) {  // decoding; what runs in turn has a catch of its own
    Line(services_.metrics, verb).failed(error.what());
    respond(error_reply(error.what()));
  }
}

void Dispatch::look_up(Verb verb, std::string const& body, Respond const& respond) const {
  Line line(services_.metrics, verb);
  if (verb == Verb::list) {
    std::vector<VolumeView> views;
    for (auto const& volume : services_.catalogue.all()) {
      views.push_back(
          {volume->record.name, services_.mounts.mountpoint(*volume), volume->record.created, {}});
    }
    respond({200, encode_list(views)});
    return line.seen();
  }
  // The engine forgets a volume whose Get fails, but not when the connection breaks. It sends an
  // empty body when it repeats a request.
  if (verb == Verb::get && body.empty()) {
    Reply hang_up;
    hang_up.hang_up = true;
    return respond(std::move(hang_up));
  }
  std::string name = decode_name(verb, body).name;
  auto volume = services_.catalogue.find(name);
  if (!volume) {
    // The engine asks for every name that it does not know: no failure.
    respond(error_reply("there is no volume \"" + sys::excerpt(name) + "\""));
  } else if (verb == Verb::path) {
    respond({200, encode_mountpoint(services_.mounts.mountpoint(*volume))});
  } else {
    respond({200, encode_volume(view(*volume))});
  }
  line.seen();
}

VolumeView Dispatch::view(volume::Volume const& volume) const {
  volume::Record const& record = volume.record;
  volume::Catalogue const& catalogue = services_.catalogue;
  std::string mountpoint = services_.mounts.mountpoint(volume);
  // Counts from before a restart are kept until the volume is proven free, but are no mounts.
  std::size_t mounts = mountpoint.empty() ? 0 : catalogue.number_of_counts(record.name);
  return {record.name, mountpoint, record.created,
          status_of(volume, {services_.backend, services_.backend_reason,
                             catalogue.number_of_clones(record.name),
                             catalogue.newest_clones_of(record.name, kShownClones), mounts,
                             services_.usage.of(record.name)})};
}

void Dispatch::create(std::string const& body, Respond const& respond) {
  CreateRequest request = decode_create(body);
  Line line(services_.metrics, Verb::create, sys::excerpt(request.name));
  run_create_turn(request, [this, request, respond, line](std::vector<std::string> const& turns) {
    reply_with(respond, line, [&](Answer& answer) {
      services_.volumes.create(request.name, request.options, turns);
      std::string options;
      for (auto const& [key, value] : request.options) {
        options += (options.empty() ? "" : " ") + key + "=" + sys::excerpt(value);
      }
      answer.done({200, encode_done()}, options);
    });
  });
}

// Which clone a Create begins from may change while it waits.
void Dispatch::run_create_turn(CreateRequest const& request,
                               std::function<void(std::vector<std::string> const& turns)> job) {
  auto turns = services_.volumes.turns_of_create(request.name, request.options);
  services_.turns.run(turns, [this, request, turns, job = std::move(job)]() mutable {
    if (services_.volumes.turns_of_create(request.name, request.options) == turns) {
      job(turns);
    } else {
      run_create_turn(request, std::move(job));
    }
  });
}

void Dispatch::remove(std::string const& body, Respond const& respond) {
  std::string name = decode_name(Verb::remove, body).name;
  Line line(services_.metrics, Verb::remove, sys::excerpt(name));
  services_.turns.run(volume::Volumes::turns_of_remove(name), [this, name, respond, line] {
    reply_with(respond, line, [&](Answer& answer) {
      services_.volumes.remove(name);
      answer.done({200, encode_done()});
    });
  });
}

// Which turn a Mount needs depends on what the name is, and that may change while it waits.
void Dispatch::run_mount_turn(MountRequest const& request, std::function<void()> job) {
  std::string key = services_.mounts.turn_of(request.name, request.id);
  services_.turns.run({key}, [this, request, key, job = std::move(job)]() mutable {
    if (services_.mounts.turn_of(request.name, request.id) == key) {
      job();
    } else {
      run_mount_turn(request, std::move(job));
    }
  });
}

void Dispatch::mount(std::string const& body, Respond const& respond) {
  // The Mount that the engine repeats so may never have got here.
  if (body.empty()) services_.catalogue.doubt_adopted();
  MountRequest request = decode_mount(Verb::mount, body);
  Line line(services_.metrics, Verb::mount, described(request));
  run_mount_turn(request, [this, request, respond, line] {
    reply_with(respond, line, [&](Answer& answer) {
      volume::Mounted mounted = services_.mounts.mount(request.name, request.id);
      std::string path = mounted.path.string();
      Reply reply{200, encode_mountpoint(path)};
      // The engine sends no Unmount for a Mount whose answer it did not get, but engine 20.10 does
      // for a nested one: counting that down twice would end a live clone.
      if (mounted.serial == 0) return answer.done(std::move(reply), path);
      reply.undelivered = [this, request, serial = mounted.serial] {
        run_mount_turn(request, [this, request, serial] {
          services_.metrics.count_undone();
          std::string what = "Undo Mount " + described(request) + " (the client has gone)";
          try {
            services_.mounts.take_back(request.name, request.id, serial);
            sys::log_info(what);
          } catch (std::exception const& error) {
            sys::log_warning(what + " failed: " + error.what());
          }
        });
      };
      answer.done(std::move(reply), path);
    });
  });
}

// A clone is gone before its mount is: the engine need not wait while the kernel takes that down.
void Dispatch::unmount(std::string const& body, Respond const& respond) {
  if (body.empty()) {
    // Nobody knows of what. After an error the engine would go on with the ID, and show the next
    // container that is started with it what this one has left.
    sys::log_warning(
        "Unmount: the request has no body: what it was for stays mounted until the "
        "plugin is started anew");
    return respond({200, encode_done()});
  }
  MountRequest request = decode_mount(Verb::unmount, body);
  Line line(services_.metrics, Verb::unmount, described(request));
  run_mount_turn(request, [this, request, respond, line] {
    reply_with(respond, line, [&](Answer& answer) {
      auto ended = [&] { answer.done({200, encode_done()}); };
      services_.mounts.unmount(request.name, request.id, ended);
      ended();
    });
  });
}

}  // namespace snapclone::api
