// SPDX-License-Identifier: Apache-2.0
#include "bench/samples.hpp"

#include <boost/json.hpp>

#include <iostream>

namespace snapclone::bench {

namespace json = boost::json;

void publish(Series const& series) {
  json::object at;
  for (auto const& [key, value] : series.at) at[key] = value;
  json::object line;
  line["name"] = series.name;
  line["unit"] = series.unit;
  line["at"] = std::move(at);
  line["values"] = json::value_from(series.values);
  std::cout << json::serialize(line) << std::endl;
}

void progress(std::string const& line) { std::cerr << "  " << line << std::endl; }

}  // namespace snapclone::bench
