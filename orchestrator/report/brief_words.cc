#include "orchestrator/report/brief_words.h"

namespace sluice {
namespace {

constexpr BriefWords kEnglish = {
    .title = "%1: where the reconnection stands",
    .run_line = "Run %1, %2, started %3 by %4.",
    .no_run = "No run has been started.",
    .ended = "It ended %1.",
    .held = "It waits: %1",

    .back = "BACK, IN THIS ORDER (%1 of %2)",
    .nothing_back = "Nothing is back yet.",
    .everything_back = "Everything is back.",
    .not_back = "NOT BACK, AND WHY (%1)",
    .not_back_line = "%1: %2 since %3",
    .failed = "it failed: %1",
    .unknown_host = "host %1 has not been heard since %2: state unknown",
    .unknown_never = "host %1 has never been heard: state unknown",
    .partial = "%1 runs on enough of its hosts, not on all",

    .wait_gate = "waiting for the decision at gate %1 (%2)",
    .wait_round = "waiting until gate %1 asks",
    .wait_stage = "waiting until stage %1 is settled",
    .wait_task = "waiting for %2 to sign: %1",
    .wait_need = "waiting until %1 is healthy",
    .wait_check = "waiting for the check %1",
    .wait_host = "waiting for an answer of host %1",
    .wait_soak = "being watched before it is confirmed",
    .wait_person = "waiting for %1: %2",
    .wait_retry = "waiting for somebody to repair it (`sluice retry %1`)",
    .wait_run = "waiting for a run (`sluice start`)",
    .wait_paused = "waiting for the run to be resumed (paused by %1)",
    .wait_nothing_known = "what it waits for is not recorded",
    .somebody = "a person",

    .decision = "THE NEXT DECISION, AND WHOSE IT IS",
    .no_decision = "Nobody is being asked at the moment.",
    .gate_asks = "Gate %1 (%2): go or no-go from %3%4.",
    .gate_until = ", before %1",
    .gate_refused = "Gate %1 was refused; somebody has to ask again: %2",
    .gate_held = "Gate %1 was not answered in time and holds: %2",
    .task_wanted = "Task for %1: %2 (%3).",
    .answer_with = "Answer with: %1",

    .forecast = "FORECAST",
    .forecast_range =
        "Back between %1 and %2 if nobody is waited for: about %3 of machines' "
        "work left.",
    .forecast_none = "No forecast can be given as things are.",
    .forecast_done = "All %1 steps are back.",
    .critical_path = "The longest chain: %1.",

    .waivers = "WAIVERS",
    .unproven = "NOT PROVEN, AND SAID SO",
    .none = "None.",

    .decided = "WHO DECIDED WHAT, AND WHEN",
    .vote_go = "%1  %2 said go at gate %3",
    .vote_no_go = "%1  %2 said no-go at gate %3: %4",
    .task_signed = "%1  %2 signed the task %3%4",
    .isolated_by = "%1  %2 ordered: %3",

    .isolation = "ISOLATION",
    .hosts_line = "%1 hosts: %2 in quarantine, %3 open, %4 unknown.",
    .flows_line =
        "Flows counted at the hosts: %1 leased (they close by themselves), %2 "
        "standing. Packets refused: %3.",
    .host_problem = "Host %1 has not been heard since %2.",
    .never_seen = "Host %1 has never been heard.",
    .isolations = "Isolations ordered: %1, the first at %2, the last at %3.",

    .journal = "Journal: record %1, head %2.",
    .journal_broken = "The journal cannot be written: %1",
    .more = "… and %1 more; `%2` lists them.",
};

constexpr BriefWords kSpanish = {
    .title = "%1: situación de la reconexión",
    .run_line = "Ejecución %1, %2, iniciada %3 por %4.",
    .no_run = "No se ha iniciado ninguna ejecución.",
    .ended = "Terminó %1.",
    .held = "Está a la espera: %1",

    .back = "DE VUELTA, EN ESTE ORDEN (%1 de %2)",
    .nothing_back = "Todavía no ha vuelto nada.",
    .everything_back = "Todo está de vuelta.",
    .not_back = "AÚN NO, Y POR QUÉ (%1)",
    .not_back_line = "%1: «%2» desde %3",
    .failed = "falló: %1",
    .unknown_host =
        "no hay noticias del equipo %1 desde %2: su estado se desconoce",
    .unknown_never =
        "nunca ha habido noticias del equipo %1: su estado se desconoce",
    .partial = "%1 funciona en bastantes de sus equipos, no en todos",

    .wait_gate = "a la espera de la decisión en la compuerta %1 (%2)",
    .wait_round = "a la espera de que la compuerta %1 pregunte",
    .wait_stage = "a la espera de que se resuelva la etapa %1",
    .wait_task = "a la espera de que %2 firme: %1",
    .wait_need = "a la espera de que %1 funcione bien",
    .wait_check = "a la espera de la comprobación %1",
    .wait_host = "a la espera de una respuesta del equipo %1",
    .wait_soak = "en observación antes de confirmarse",
    .wait_person = "a la espera de %1: %2",
    .wait_retry = "a la espera de que alguien lo repare (`sluice retry %1`)",
    .wait_run = "a la espera de una ejecución (`sluice start`)",
    .wait_paused = "a la espera de que se reanude (la detuvo %1)",
    .wait_nothing_known = "no consta qué espera",
    .somebody = "una persona",

    .decision = "LA PRÓXIMA DECISIÓN, Y DE QUIÉN ES",
    .no_decision = "En este momento no se pregunta a nadie.",
    .gate_asks = "Compuerta %1 (%2): falta el sí o el no de %3%4.",
    .gate_until = ", antes de las %1",
    .gate_refused =
        "La compuerta %1 fue rechazada; alguien debe pedirla de nuevo: %2",
    .gate_held =
        "La compuerta %1 no tuvo respuesta a tiempo y sigue cerrada: %2",
    .task_wanted = "Tarea para %1: %2 (%3).",
    .answer_with = "Se responde con: %1",

    .forecast = "PREVISIÓN",
    .forecast_range =
        "De vuelta entre las %1 y las %2 si no hay que esperar a nadie: quedan "
        "unos %3 de trabajo de las máquinas.",
    .forecast_none = "Tal como están las cosas no es posible prever nada.",
    .forecast_done = "Los %1 pasos están de vuelta.",
    .critical_path = "La cadena más larga: %1.",

    .waivers = "EXCEPCIONES AUTORIZADAS",
    .unproven = "SIN PROBAR, Y SE DICE",
    .none = "Ninguna.",

    .decided = "QUIÉN DECIDIÓ QUÉ, Y CUÁNDO",
    .vote_go = "%1  %2 dijo sí en la compuerta %3",
    .vote_no_go = "%1  %2 dijo no en la compuerta %3: %4",
    .task_signed = "%1  %2 firmó la tarea %3%4",
    .isolated_by = "%1  %2 ordenó: «%3»",

    .isolation = "AISLAMIENTO",
    .hosts_line =
        "%1 equipos: %2 en cuarentena, %3 abiertos, %4 en estado desconocido.",
    .flows_line =
        "Flujos contados en los equipos: %1 a plazo (se cierran solos), %2 "
        "permanentes. Paquetes rechazados: %3.",
    .host_problem = "No hay noticias del equipo %1 desde %2.",
    .never_seen = "Nunca ha habido noticias del equipo %1.",
    .isolations =
        "Aislamientos ordenados: %1, el primero a las %2, el último a las %3.",

    .journal = "Diario: registro %1, cabeza %2.",
    .journal_broken = "No se puede escribir en el diario: %1",
    .more = "… y %1 más; `%2` los muestra.",
};

}  // namespace

const BriefWords* FindBriefWords(absl::string_view language) {
  if (language == "en") return &kEnglish;
  if (language == "es") return &kSpanish;
  return nullptr;
}

std::string Fill(absl::string_view pattern,
                 std::initializer_list<std::string> values) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || i + 1 == pattern.size()) {
      out += pattern[i];
      continue;
    }
    const size_t index = static_cast<size_t>(pattern[++i] - '1');
    if (index < values.size()) out += *(values.begin() + index);
  }
  return out;
}

}  // namespace sluice
