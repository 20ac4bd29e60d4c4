#include "orchestrator/planner/phrase.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/digest.h"

namespace sluice {
namespace {

// Everyday words that are hard to mistake for one another aloud. Their order
// is part of what people compare: words may be replaced only together with
// every program that shows them.
constexpr const char* kWords[256] = {
    "acorn",   "actor",   "album",    "alley",    "amber",    "anchor",
    "angle",   "apple",   "apron",    "arrow",    "atlas",    "autumn",
    "bacon",   "badge",   "bagel",    "baker",    "bamboo",   "banjo",
    "barrel",  "basil",   "basket",   "beacon",   "beaver",   "bench",
    "berry",   "bicycle", "biscuit",  "blanket",  "blossom",  "bottle",
    "bracket", "branch",  "bread",    "bridge",   "bronze",   "bucket",
    "butter",  "button",  "cabin",    "cactus",   "camel",    "candle",
    "canyon",  "carbon",  "carpet",   "castle",   "cedar",    "cello",
    "chalk",   "cherry",  "chimney",  "cinema",   "circle",   "clover",
    "cobalt",  "coffee",  "comet",    "copper",   "coral",    "cotton",
    "cradle",  "crayon",  "cricket",  "crystal",  "cumin",    "curtain",
    "cymbal",  "daisy",   "dancer",   "desert",   "diamond",  "dolphin",
    "domino",  "donkey",  "dragon",   "drawer",   "drummer",  "eagle",
    "easel",   "echo",    "elbow",    "ember",    "engine",   "envelope",
    "falcon",  "farmer",  "feather",  "fiddle",   "fig",      "finch",
    "flannel", "flute",   "forest",   "fossil",   "fountain", "fox",
    "galaxy",  "garden",  "garlic",   "gazelle",  "ginger",   "giraffe",
    "glacier", "globe",   "gondola",  "granite",  "grape",    "guitar",
    "hammer",  "harbor",  "harvest",  "hazel",    "helmet",   "heron",
    "hickory", "honey",   "horizon",  "hornet",   "hotel",    "iceberg",
    "igloo",   "indigo",  "insect",   "island",   "ivory",    "jacket",
    "jaguar",  "jasmine", "jelly",    "jigsaw",   "jungle",   "kayak",
    "kettle",  "kitchen", "kiwi",     "koala",    "ladder",   "lagoon",
    "lantern", "laurel",  "lavender", "lemon",    "leopard",  "lettuce",
    "lilac",   "lion",    "lizard",   "lobster",  "locket",   "lotus",
    "lumber",  "magnet",  "magpie",   "mango",    "maple",    "marble",
    "market",  "meadow",  "melon",    "mirror",   "mitten",   "monkey",
    "mosaic",  "muffin",  "museum",   "mustard",  "napkin",   "nectar",
    "needle",  "nickel",  "noodle",   "nutmeg",   "oasis",    "oboe",
    "ocean",   "octopus", "olive",    "onion",    "orange",   "orchid",
    "otter",   "oyster",  "paddle",   "panda",    "papaya",   "parrot",
    "peach",   "pebble",  "pelican",  "pencil",   "pepper",   "piano",
    "pigeon",  "pillow",  "pirate",   "planet",   "plum",     "pocket",
    "pony",    "potato",  "prism",    "pumpkin",  "puzzle",   "quail",
    "quartz",  "quilt",   "rabbit",   "radish",   "raven",    "ribbon",
    "river",   "robin",   "rocket",   "rosemary", "ruby",     "saddle",
    "saffron", "sailor",  "salmon",   "sandal",   "satin",    "scarf",
    "shadow",  "silver",  "spider",   "sponge",   "spoon",    "squirrel",
    "statue",  "sugar",   "sunset",   "swallow",  "tango",    "temple",
    "thistle", "thunder", "ticket",   "tiger",    "timber",   "tomato",
    "trumpet", "tulip",   "turtle",   "umbrella", "valley",   "vanilla",
    "velvet",  "violin",  "walnut",   "walrus",   "whistle",  "willow",
    "window",  "winter",  "yogurt",   "zebra",
};

}  // namespace

std::string DigestPhrase(absl::string_view digest) {
  if (!IsDigest(digest)) return "";
  const std::string bytes =
      absl::HexStringToBytes(digest.substr(digest.find(':') + 1, 8));
  std::string phrase;
  for (const char c : bytes) {
    absl::StrAppend(&phrase, phrase.empty() ? "" : "-",
                    kWords[static_cast<unsigned char>(c)]);
  }
  return phrase;
}

}  // namespace sluice
