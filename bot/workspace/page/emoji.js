// The shortcodes that are drawn; any other stays as it was typed.

export const EMOJI = {
  memo: "📝", question: "❓", hourglass_flowing_sand: "⏳", hourglass: "⌛", raised_hand: "✋", white_check_mark: "✅",
  no_entry: "⛔", no_entry_sign: "🚫", x: "❌", arrows_counterclockwise: "🔄", large_green_circle: "🟢", red_circle: "🔴",
  large_yellow_circle: "🟡", large_blue_circle: "🔵", white_circle: "⚪", alarm_clock: "⏰", heavy_plus_sign: "➕", heavy_minus_sign: "➖",
  leftwards_arrow_with_hook: "↩️", checkered_flag: "🏁", warning: "⚠️", wastebasket: "🗑️", zzz: "💤", rotating_light: "🚨",
  door: "🚪", ice_cube: "🧊", package: "📦", scroll: "📜", anchor: "⚓", lock: "🔒", unlock: "🔓", key: "🔑", electric_plug: "🔌", bell: "🔔",
  eyes: "👀", mag: "🔍", rocket: "🚀", shield: "🛡️", bust_in_silhouette: "👤", busts_in_silhouette: "👥", calendar: "📅",
  chart_with_upwards_trend: "📈", information_source: "ℹ️", link: "🔗", page_facing_up: "📄", clipboard: "📋", gear: "⚙️",
  hammer_and_wrench: "🛠️", stopwatch: "⏱️", moneybag: "💰", heavy_check_mark: "✔️", arrow_right: "➡️", thumbsup: "👍",
  "+1": "👍", thumbsdown: "👎", "-1": "👎", tada: "🎉", wave: "👋", snowflake: "❄️", fire: "🔥", tools: "🛠️",
};
