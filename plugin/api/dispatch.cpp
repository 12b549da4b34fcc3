// SPDX-License-Identifier: Apache-2.0
#include "api/dispatch.hpp"

#include "api/status.hpp"
#include "sys/log.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <memory>

namespace snapclone::api {
namespace {

constexpr std::size_t kShortId = 12;

// Logs a verb when it has ended: "Mount seed id=3f2a9c01b2d4 0.71 ms" or "… failed after …: why".
class Line {
 public:
  explicit Line(std::string what) : what_(std::move(what)) {}

  void done(std::string const& result = "") const {
    sys::log_info(what_ + (result.empty() ? "" : " -> " + result) + " " + elapsed());
  }
  void seen() const { sys::log_debug(what_ + " " + elapsed()); }
  void failed(std::string const& why) const {
    sys::log_warning(what_ + " failed after " + elapsed() + ": " + why);
  }

 private:
  std::string elapsed() const {
    std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start_;
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.2f ms", time.count());
    return text.data();
  }

  std::string what_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Reply error_reply(std::string const& sentence, unsigned status = 500) {
  return {status, encode_error(sentence)};
}

std::string described(Verb verb, MountRequest const& request) {
  return std::string(name_of(verb)) + " " + volume::shown(request.name) +
         " id=" + volume::shown(request.id.substr(0, kShortId));
}

// Runs a verb and answers with what it returns; a throw becomes an error reply.
template <class Work>
void reply_with(Respond const& respond, Line const& line, Work const& work) {
  Reply reply;
  try {
    reply = work();
  } catch (std::exception const& error) {
    line.failed(error.what());
    reply = error_reply(error.what());
  }
  respond(std::move(reply));
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
    respond(error_reply("there is nothing at " + volume::shown(target), 404));
  } else if (*verb == Verb::activate) {
    respond({200, encode_activate()});
  } else if (*verb == Verb::capabilities) {
    respond({200, encode_capabilities()});
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
    sys::log_warning(std::string(name_of(verb)) + " failed: " + error.what());
    respond(error_reply(error.what()));
  }
}

void Dispatch::look_up(Verb verb, std::string const& body, Respond const& respond) const {
  Line line{std::string(name_of(verb))};
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
    respond(error_reply("there is no volume \"" + volume::shown(name) + "\""));
  } else if (verb == Verb::path) {
    respond({200, encode_mountpoint(services_.mounts.mountpoint(*volume))});
  } else {
    respond({200, encode_volume(view(*volume))});
  }
  line.seen();
}

VolumeView Dispatch::view(volume::Volume const& volume) const {
  volume::Record const& record = volume.record;
  std::string mountpoint = services_.mounts.mountpoint(volume);
  // Counts from before a restart are kept until the volume is proven free, but are no mounts.
  std::size_t mounts = mountpoint.empty() ? 0 : services_.catalogue.counts(record.name).size();
  return {record.name, mountpoint, record.created,
          status_of(volume, services_.backend, services_.catalogue.clones_of(record.name), mounts)};
}

void Dispatch::create(std::string const& body, Respond const& respond) {
  CreateRequest request = decode_create(body);
  auto keys = volume::turns_of_create(request.name, request.options);
  Line line("Create " + volume::shown(request.name));
  services_.turns.run(std::move(keys), [this, request, respond, line] {
    reply_with(respond, line, [&]() -> Reply {
      services_.volumes.create(request.name, request.options);
      std::string options;
      for (auto const& [key, value] : request.options) {
        options += (options.empty() ? "" : " ") + key + "=" + volume::shown(value);
      }
      line.done(options);
      return {200, encode_done()};
    });
  });
}

void Dispatch::remove(std::string const& body, Respond const& respond) {
  std::string name = decode_name(Verb::remove, body).name;
  Line line("Remove " + volume::shown(name));
  services_.turns.run(volume::turns_of_remove(name), [this, name, respond, line] {
    reply_with(respond, line, [&]() -> Reply {
      services_.volumes.remove(name);
      line.done();
      return {200, encode_done()};
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
  MountRequest request = decode_mount(Verb::mount, body);
  Line line(described(Verb::mount, request));
  run_mount_turn(request, [this, request, respond, line] {
    reply_with(respond, line, [&]() -> Reply {
      volume::Mounted mounted = services_.mounts.mount(request.name, request.id);
      line.done(mounted.path.string());
      Reply reply{200, encode_mountpoint(mounted.path.string())};
      // The engine sends no Unmount for a Mount whose answer it did not get, but engine 20.10 does
      // for a nested one: counting that down twice would end a live clone.
      if (!mounted.first) return reply;
      reply.undelivered = [this, request] {
        run_mount_turn(request, [this, request] {
          Line undo("Undo " + described(Verb::mount, request) + " (the client has gone)");
          try {
            services_.mounts.unmount(request.name, request.id);
            undo.done();
          } catch (std::exception const& error) {
            undo.failed(error.what());
          }
        });
      };
      return reply;
    });
  });
}

void Dispatch::unmount(std::string const& body, Respond const& respond) {
  MountRequest request = decode_mount(Verb::unmount, body);
  Line line(described(Verb::unmount, request));
  run_mount_turn(request, [this, request, respond, line] {
    reply_with(respond, line, [&]() -> Reply {
      services_.mounts.unmount(request.name, request.id);
      line.done();
      return {200, encode_done()};
    });
  });
}

}  // namespace snapclone::api
