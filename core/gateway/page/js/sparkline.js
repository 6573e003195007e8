/** A line of the last values, without axes: the table's own numbers say how much. */

import { svg } from "./dom.js";

const WIDTH = 84;
const HEIGHT = 20;
const EDGE = 2;

/** An SVG with `draw(points)`. It is decoration: value and change stand beside it. */
export function outline() {
  const line = svg("path", { class: "line" });
  const end = svg("circle", { r: 1.8, class: "end" });
  const picture = svg("svg", { class: "sparkline", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, "aria-hidden": "true" }, line, end);
  picture.draw = (points) => {
    picture.dataset.turn = points.at(-1) > points[0] ? "up" : points.at(-1) < points[0] ? "down" : "";
    const places = placed(points);
    line.setAttribute("d", places.length > 1 ? `M${places.map(([x, y]) => `${x} ${y}`).join("L")}` : "");
    const [x, y] = places.at(-1) ?? [-9, -9];
    end.setAttribute("cx", x);
    end.setAttribute("cy", y);
  };
  return picture;
}

function placed(points) {
  const low = Math.min(...points);
  const reach = Math.max(...points) - low;
  const step = (WIDTH - 2 * EDGE) / Math.max(1, points.length - 1);
  const room = HEIGHT - 2 * EDGE;
  return points.map((value, place) => [
    (EDGE + place * step).toFixed(1),
    (reach ? EDGE + room - ((value - low) / reach) * room : HEIGHT / 2).toFixed(1),
  ]);
}
