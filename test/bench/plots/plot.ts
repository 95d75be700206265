import { parse, type Spec, type TextEncodeEntry, type TextMark, View } from 'vega';
import type { Machine, Report } from '../report.ts';

/** A plot of some of a run's results. */
export interface Plot {
  /** Name of the file, without `.svg`. */
  name: string;
  /** Returns undefined if the run has no samples for the plot. */
  draw(report: Report): Spec | undefined;
}

/** The colours of Okabe and Ito, which colour-blind readers can distinguish. */
export const colours = {
  blue: '#0072b2',
  orange: '#d55e00',
  green: '#00795a',
  text: '#24292f',
  faint: '#57606a',
  line: '#d8dee4',
};

/** Margin of the texts, and distance of the plot area from the upper and the lower edge, in pixels. */
const EDGE = 20;
const TOP = 84;
const BOTTOM = 104;

const FONT = 'Helvetica, Arial, sans-serif';

/** The common parts of all plots: the type, and an opaque background for dark pages. */
export function frame({
  width,
  height,
  left,
  right,
}: Record<'width' | 'height' | 'left' | 'right', number>): Spec {
  return {
    $schema: 'https://vega.github.io/schema/vega/v6.json',
    width,
    height,
    // No automatic layout: it needs the width of texts, which can only be guessed without a canvas.
    autosize: 'none',
    padding: { left, right, top: TOP, bottom: BOTTOM },
    background: '#ffffff',
    config: {
      axis: {
        domainColor: colours.line,
        gridColor: colours.line,
        labelColor: colours.text,
        labelFont: FONT,
        labelFontSize: 13,
        tickColor: colours.line,
        titleColor: colours.text,
        titleFont: FONT,
        titleFontSize: 13,
        titleFontWeight: 'normal',
      },
      text: { font: FONT, fontSize: 13, fill: colours.text },
    },
  };
}

/** The title above a plot, and the footer with the date, machine and method of the measurement. */
export function texts(
  { machine, rounds }: Report,
  left: number,
  words: Record<'title' | 'subtitle' | 'marks', string>,
): TextMark[] {
  const { title, subtitle, marks } = words;
  const foot = [madeOn(machine), `${rounds} ${rounds === 1 ? 'round' : 'rounds'}; ${marks}`];
  const line = (text: string | string[], y: string, enter: TextEncodeEntry): TextMark => ({
    type: 'text',
    encode: {
      enter: { x: { value: EDGE - left }, y: { signal: y }, text: { value: text }, ...enter },
    },
  });
  const faint = { fill: { value: colours.faint } };
  return [
    line(title, `${36 - TOP}`, { fontSize: { value: 17 }, fontWeight: { value: 'bold' } }),
    line(subtitle, `${58 - TOP}`, faint),
    line(foot, `height + ${BOTTOM - 32}`, { fontSize: { value: 12 }, lineHeight: { value: 17 }, ...faint }),
  ];
}

function madeOn({ date, node, engine, cpu }: Machine): string {
  const day = new Date(date).toLocaleDateString('en-GB', { dateStyle: 'long', timeZone: 'UTC' });
  return `${day} · ${cpu}, everything on one machine · ${engine} · Node ${node.replace(/^v/, '')}`;
}

export async function toSvg(spec: Spec): Promise<string> {
  return new View(parse(spec), { renderer: 'none' }).toSVG();
}
