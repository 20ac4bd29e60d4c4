// One host in full: `sluice show HOST`.

#pragma once

#include <string>

#include "orchestrator/report/layout.h"
#include "sluice/v1/operator.pb.h"

namespace sluice::cli {

std::string HostText(const v1::Status& status, const v1::Host& host, int width,
                     const Paint& paint);

// "begun anew by ada at 22 Nov 10:41: cleaned in place".
std::string SensorAnewText(const v1::SensorAnew& sensor);

}  // namespace sluice::cli
