#include "orchestrator/importers/csv_reader.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sluice::importers {
namespace {

class Reader {
 public:
  Reader(absl::string_view text, const Lines& lines, char separator,
         manifest::Problems& problems)
      : text_(text),
        lines_(lines),
        separator_(separator),
        problems_(problems) {}

  std::vector<CsvRecord> Read() {
    if (absl::StartsWith(text_, "\xef\xbb\xbf")) at_ = 3;
    std::vector<CsvRecord> records;
    while (at_ < text_.size()) {
      CsvRecord record;
      ReadRecord(records.empty() ? 0 : records[0].fields.size(), &record);
      const bool empty =
          record.fields.size() == 1 && record.fields[0].text.empty();
      if (record.broken || !empty) records.push_back(std::move(record));
    }
    return records;
  }

 private:
  enum class End { kField, kRecord, kBroken };

  // Whether a line ends at `i`, CR LF or LF.
  size_t LineEnd(size_t i) const {
    if (i >= text_.size()) return 0;
    if (text_[i] == '\n') return 1;
    return absl::StartsWith(text_.substr(i), "\r\n") ? 2 : 0;
  }
  void SkipLine(size_t from) {
    const size_t end = text_.find('\n', from);
    at_ = end == absl::string_view::npos ? text_.size() : end + 1;
  }

  // What is after a field: a separator, a line's end, or something wrong.
  End After() {
    if (at_ >= text_.size()) return End::kRecord;
    if (const size_t end = LineEnd(at_)) {
      at_ += end;
      return End::kRecord;
    }
    if (text_[at_] != separator_) return End::kBroken;
    ++at_;
    return End::kField;
  }

  void ReadRecord(size_t expected, CsvRecord* record) {
    record->place = lines_.At(at_);
    size_t open = absl::string_view::npos;  // a quoted field of several lines
    End end = End::kField;
    while (end == End::kField) {
      CsvField field;
      const size_t from = at_;
      field.place = lines_.At(from);
      const bool quoted = at_ < text_.size() && text_[at_] == '"';
      bool several = false;
      if (quoted && !ReadQuoted(&field.text, &several)) {
        Unclosed(from, record);
        return;
      }
      if (several && open == absl::string_view::npos) open = from;
      if (!quoted) ReadPlain(&field.text);
      end = After();
      record->fields.push_back(std::move(field));
      if (end == End::kBroken && open != absl::string_view::npos) {
        // The quote ran on to the next quoted field of a later line.
        Unclosed(open, record);
        return;
      }
      if (end == End::kBroken) {
        problems_.Error(
            lines_.At(at_),
            "text after a closing quote; write a quote inside a quoted field "
            "twice (\"\"), or remove it");
        record->broken = true;
        SkipLine(at_);
        return;
      }
    }
    if (open != absl::string_view::npos && expected > 0 &&
        record->fields.size() != expected) {
      Unclosed(open, record);
    }
  }

  // After a quote that nothing closes: its line ends the record.
  void Unclosed(size_t quote, CsvRecord* record) {
    problems_.Error(lines_.At(quote),
                    "this quote is not closed; close it, or write it twice "
                    "inside a quoted field");
    record->broken = true;
    SkipLine(quote);
  }

  bool ReadQuoted(std::string* out, bool* several) {
    for (size_t i = at_ + 1; i < text_.size(); ++i) {
      if (text_[i] == '\n') *several = true;
      if (text_[i] != '"') {
        *out += text_[i];
      } else if (i + 1 < text_.size() && text_[i + 1] == '"') {
        *out += '"';
        ++i;
      } else {
        at_ = i + 1;
        return true;
      }
    }
    return false;
  }

  void ReadPlain(std::string* out) {
    while (at_ < text_.size() && text_[at_] != separator_ &&
           LineEnd(at_) == 0) {
      *out += text_[at_++];
    }
  }

  absl::string_view text_;
  const Lines& lines_;
  char separator_;
  manifest::Problems& problems_;
  size_t at_ = 0;
};

}  // namespace

std::vector<CsvRecord> ReadCsv(absl::string_view text, const Lines& lines,
                               char separator, manifest::Problems& problems) {
  return Reader(text, lines, separator, problems).Read();
}

}  // namespace sluice::importers
