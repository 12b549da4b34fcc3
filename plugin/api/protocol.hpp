// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "volume/options.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

// Docker's volume plugin protocol: what each request and reply looks like. Pure functions, safe on
// any thread. The other side is moby's daemon/volume/drivers/proxy.go (members and time-outs) and
// pkg/plugins/client.go (retries, and how errors are read).
namespace snapclone::api {

enum class Verb { activate, capabilities, create, get, list, path, mount, unmount, remove };
inline constexpr std::size_t kVerbs = 9;

// "/Plugin.Activate", "/VolumeDriver.Create", …; nothing else, not even with a query.
std::optional<Verb> verb_of(std::string_view http_target);
std::string_view name_of(Verb verb);  // "Create"

// A request that cannot be understood; what() is the sentence for the engine.
struct BadRequest : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct MountRequest {  // Mount, Unmount
  volume::VolumeName name;
  volume::MountId id;
};

// Everything in a request is checked here, once: from here on names, IDs and options cannot be
// wrong. Members that we do not know are ignored, and the last of a repeated one counts, as in Go.
// The decoders throw BadRequest for a body of the wrong shape, and for an empty one: the engine
// sends that when it repeats a request whose connection broke. They throw volume::Refusal for a
// name, an ID or an option that is not allowed. Activate, Capabilities and List have no decoder,
// since they take any body.
volume::CreateRequest decode_create(std::string_view body);
volume::VolumeName decode_name(Verb verb, std::string_view body);  // Get, Path, Remove
MountRequest decode_mount(Verb verb, std::string_view body);

struct VolumeView {
  std::string name;
  std::string mountpoint = {};
  std::string created = {};         // RFC 3339; left out if empty: Go refuses any other text
  boost::json::object status = {};  // numbers must be finite: JSON has no others
};

// Each returns valid JSON in valid UTF-8, whatever bytes the arguments hold. encode_error() writes
// out control characters (sys/text.hpp), because Docker's command line prints an error as it comes.
std::string encode_error(std::string_view sentence);
std::string encode_activate();
std::string encode_capabilities();
std::string encode_done();
std::string encode_mountpoint(std::string_view path);
std::string encode_volume(VolumeView const& volume);
std::string encode_list(std::vector<VolumeView> const& volumes);

// The text with each byte that is not part of valid UTF-8 replaced by U+FFFD.
std::string printable_utf8(std::string_view text);

}  // namespace snapclone::api
