// libFuzzer over what reads manifests: no input makes it crash, hang or hold
// more than 64 times its own size. What it accepts has a plan or a sentence why
// not, and a layout that is its own layout and makes the same plan.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "orchestrator/manifest/canonical.h"
#include "orchestrator/manifest/manifest.h"
#include "orchestrator/planner/plan.h"
#include "tests/fuzz/allocations.h"

namespace {

using sluice::CanonicalText;
using sluice::ManifestResult;
using sluice::ManifestSources;

// What reading takes before it has read anything: tables, a parser.
constexpr size_t kAllowance = size_t{1} << 20;
constexpr size_t kGrowth = 64;

[[noreturn]] void Fail(const char* what, const std::string& details) {
  std::fprintf(stderr, "fuzz-manifest: %s\n%s\n", what, details.c_str());
  std::abort();
}

ManifestSources SourcesOf(const std::string& text) {
  ManifestSources sources;
  sources.files.push_back({"manifest.yaml", text});
  return sources;
}

// The plan's digest, or why there is none.
std::string PlanOf(const ManifestResult& result) {
  const auto plan = sluice::MakePlan(result.model);
  return plan.ok() ? (*plan)->digest : std::string(plan.status().message());
}

void CheckLayout(const std::string& text, const ManifestResult& result) {
  const auto once = CanonicalText(text);
  if (!once.ok()) {
    Fail("a good manifest has no layout", std::string(once.status().message()));
  }
  const auto twice = CanonicalText(*once);
  if (!twice.ok() || *twice != *once) {
    Fail("a layout is not its own layout",
         *once + "\n--- and then\n" + twice.value_or("none"));
  }
  const ManifestResult again = ParseManifest(SourcesOf(*once));
  if (!again.ok()) Fail("a layout has mistakes", *once);
  if (PlanOf(again) != PlanOf(result)) {
    Fail("a layout has another plan", *once);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const ManifestSources sources = SourcesOf(text);
  sluice::fuzz::ResetPeak();
  const ManifestResult result = ParseManifest(sources);
  const size_t peak = sluice::fuzz::PeakBytes();
  if (peak > kAllowance + kGrowth * size) {
    Fail("memory", std::to_string(size) + " bytes were read with " +
                       std::to_string(peak));
  }
  // Every mistake can be shown, with its line.
  for (const sluice::Diagnostic& one : result.diagnostics) {
    if (FormatDiagnostic(result, one, true, true).empty()) {
      Fail("a mistake without words", one.message);
    }
  }
  if (result.ok()) {
    PlanOf(result);
    CheckLayout(text, result);
  } else if (const auto out = CanonicalText(text); out.ok()) {
    // Parts of a manifest are laid out although they make no whole.
    const auto twice = CanonicalText(*out);
    if (!twice.ok() || *twice != *out) {
      Fail("a part's layout is not its own layout",
           *out + "\n--- and then\n" + twice.value_or("none"));
    }
  }
  return 0;
}
