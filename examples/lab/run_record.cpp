#include <tape/examples/lab/run_record.h>

#include <fstream>

#include <tape/core/error.h>
#include <tape/examples/support/numbers.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

std::string path_in(const std::string& folder) {
  return folder + "/runs.jsonl";
}

}  // namespace

void remember(const std::string& folder, const RunRecord& run) {
  const Fields fields{{"size", run.size}, {"cells", run.cells},     {"measured", run.measured},
                      {"jobs", run.jobs}, {"seconds", run.seconds}, {"environment", run.environment}};
  const std::string path = path_in(folder);
  std::ofstream out(path, std::ios::app);
  out << to_json(fields) << '\n';
  if (!out.flush()) throw Error(str("can not write ", path));
}

Table runs_table(const std::string& folder) {
  Table table{{Text{"run", "运行"}, Text{"cells", "单元数"}, Text{"measured", "本次测量"}, Text{"at once", "并行数"},
               Text{"duration", "用时"}, Text{"environment", "环境"}},
              {}};
  std::ifstream in(path_in(folder));
  for (std::string text; std::getline(in, text);) {
    try {
      const Fields run = fields_of(text);
      const auto count = [&](const char* name) { return Text(tool::grouped(run.integer(name))); };
      table.rows.push_back({run.text("size"), count("cells"), count("measured"), count("jobs"),
                            tool::clock_time(run.number("seconds")), run.text("environment")});
    } catch (const Error&) {  // a line that a crash cut off
    }
  }
  return table;
}

}  // namespace tape::inline TAPE_ABI::lab
