// `sluice audit sign`: an operator's signature over the head of the journal, to
// be kept by whoever does not trust its keeper.

#pragma once

#include <string>

#include "orchestrator/cli/session.h"

namespace sluice::cli {

struct SignHeadOptions {
  std::string out;  // a new file; the signature goes into FILE.sig
  std::string key;  // the SSH key to sign with; empty: as everywhere
};

// Fetches the head, signs HeadText() of it and writes both files.
ExitCode SignHead(const Terminal& terminal, const Common& common,
                  const SignHeadOptions& options);

}  // namespace sluice::cli
