// SPDX-License-Identifier: Apache-2.0
#include "api/dispatch.hpp"

#include "api/status.hpp"
#include "sys/log.hpp"
#include "sys/text.hpp"

#include <fmt/format.h>

#include <chrono>
#include <utility>

namespace snapclone::api {
namespace {

using volume::Store;

// Counts a verb when it has been answered, and logs it: "Mount seed id=3f2a9c01b2d4 0.71 ms" or
// "… failed after …: why".
class VerbLog {
 public:
  VerbLog(Metrics& metrics, Verb verb, std::string const& object = "")
      : metrics_(metrics),
        verb_(verb),
        subject_(std::string(name_of(verb)) + (object.empty() ? "" : " " + object)) {}

  void succeeded(std::string const& result = "") const {
    sys::log_info(subject_ + (result.empty() ? "" : " -> " + result) + " " + elapsed());
    count(true);
  }
  void looked_up() const {
    sys::log_debug(subject_ + " " + elapsed());
    count(true);
  }
  void failed(std::string const& why) const {
    sys::log_warning(subject_ + " failed after " + elapsed() + ": " + why);
    count(false);
  }

 private:
  void count(bool succeeded) const {
    metrics_.count(verb_, succeeded, std::chrono::steady_clock::now() - start_);
  }
  std::string elapsed() const {
    std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start_;
    return fmt::format("{:.2f} ms", time.count());
  }

  Metrics& metrics_;
  Verb verb_;
  std::string subject_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Reply error_reply(std::string const& sentence, unsigned status = 500) {
  return {status, encode_error(sentence)};
}

std::string described(MountRequest const& request) {
  return request.name.text() + " id=" + request.id.short_text();
}

std::string described(volume::RawOptions const& options) {
  std::vector<std::string> settings;
  for (auto const& [key, value] : options) settings.push_back(key + "=" + sys::excerpt(value));
  return sys::join(settings, " ");
}

// The sentence that says why a verb failed.
std::string sentence_of(std::exception_ptr const& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (std::exception const& error) {
    return error.what();
  }
}

// Replies, and logs after that: the engine need not wait for the log.
void fail(Respond const& respond, VerbLog const& log, std::exception_ptr const& failure) {
  std::string why = sentence_of(failure);
  respond(error_reply(why));
  log.failed(why);
}

Store::Done<void> replying(Respond const& respond, VerbLog const& log,
                           std::string const& result = "") {
  return [respond, log, result](Store::Result<void> const& done) {
    if (done.has_error()) return fail(respond, log, done.error());
    respond({200, encode_done()});
    log.succeeded(result);
  };
}

}  // namespace

void Dispatch::handle(std::string target, std::string body, Respond respond) {
  auto verb = verb_of(target);
  if (!verb) {
    respond(error_reply("there is nothing at " + sys::excerpt(target), 404));
  } else if (*verb == Verb::activate || *verb == Verb::capabilities) {
    VerbLog log(metrics_, *verb);
    respond({200, *verb == Verb::activate ? encode_activate() : encode_capabilities()});
    log.looked_up();
  } else {
    store_.when_open([this, verb = *verb, body = std::move(body), respond = std::move(respond)] {
      answer(verb, body, respond);
    });
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
      case Verb::list:
        return list(respond);
      default:
        return look_up(verb, body, respond);
    }
  } catch (std::exception const&) {  // of the decoder
    fail(respond, VerbLog(metrics_, verb), std::current_exception());
  }
}

void Dispatch::list(Respond const& respond) const {
  VerbLog log(metrics_, Verb::list);
  std::vector<VolumeView> views;
  for (auto const& volume : store_.list()) {
    views.push_back({volume.name.text(), volume.mountpoint, volume.created, {}});
  }
  respond({200, encode_list(views)});
  log.looked_up();
}

void Dispatch::look_up(Verb verb, std::string const& body, Respond const& respond) const {
  VerbLog log(metrics_, verb);
  // The engine forgets a volume whose Get fails, but not when the connection breaks. It sends an
  // empty body when it repeats a request.
  if (verb == Verb::get && body.empty()) {
    Reply hang_up;
    hang_up.hang_up = true;
    return respond(std::move(hang_up));
  }
  volume::VolumeName name = decode_name(verb, body);
  auto found = store_.describe(name);
  if (!found) {
    // No failure: the engine asks for every name that it does not know.
    respond(error_reply("there is no volume \"" + name.text() + "\""));
  } else if (verb == Verb::path) {
    respond({200, encode_mountpoint(found->mountpoint)});
  } else {
    respond({200, encode_volume({name.text(), found->mountpoint, found->volume->record.created,
                                 status_of(*found)})});
  }
  log.looked_up();
}

void Dispatch::create(std::string const& body, Respond const& respond) {
  volume::CreateRequest request = decode_create(body);
  VerbLog log(metrics_, Verb::create, request.name.text());
  store_.create(request, replying(respond, log, described(request.options.given)));
}

void Dispatch::remove(std::string const& body, Respond const& respond) {
  volume::VolumeName name = decode_name(Verb::remove, body);
  VerbLog log(metrics_, Verb::remove, name.text());
  store_.remove(name, replying(respond, log));
}

void Dispatch::mount(std::string const& body, Respond const& respond) {
  // The Mount that the engine repeats so may never have got here.
  if (body.empty()) store_.doubt_adopted();
  MountRequest request = decode_mount(Verb::mount, body);
  VerbLog log(metrics_, Verb::mount, described(request));
  auto done = [this, request, respond, log](Store::Result<volume::Mounted> const& mounted) {
    if (mounted.has_error()) return fail(respond, log, mounted.error());
    std::string path = mounted->path.string();
    Reply reply{200, encode_mountpoint(path)};
    // The engine sends no Unmount for a Mount whose answer it did not get, but engine 20.10 does
    // for a nested one: counting that down twice would end a live clone.
    if (mounted->serial != 0) {
      reply.undelivered = [this, request, serial = mounted->serial] {
        undo_mount(request, serial);
      };
    }
    respond(std::move(reply));
    log.succeeded(path);
  };
  store_.mount(request.name, request.id, done);
}

void Dispatch::undo_mount(MountRequest const& request, std::uint64_t serial) {
  auto done = [this, request](Store::Result<void> const& undone) {
    metrics_.count_undone();
    std::string what = "Undo Mount " + described(request) + " (the client has gone)";
    if (undone.has_error()) {
      sys::log_warning(what + " failed: " + sentence_of(undone.error()));
    } else {
      sys::log_info(what);
    }
  };
  store_.take_back(request.name, request.id, serial, done);
}

void Dispatch::unmount(std::string const& body, Respond const& respond) {
  if (body.empty()) {
    // Nobody knows which mount this was for, so it stays. After an error the engine would use the
    // ID again, and its next container would see what this one left.
    sys::log_warning(
        "Unmount: the request has no body: what it was for stays mounted until the plugin is "
        "started anew");
    return respond({200, encode_done()});
  }
  MountRequest request = decode_mount(Verb::unmount, body);
  VerbLog log(metrics_, Verb::unmount, described(request));
  store_.unmount(request.name, request.id, replying(respond, log));
}

}  // namespace snapclone::api
