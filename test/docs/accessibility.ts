import axe, { type AxeResults, type NodeResult } from 'axe-core';
import type { Page } from 'playwright-core';

/** WCAG 2.0 to 2.2, levels A and AA. */
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/**
 * axe's own options of the check, but for three: 4.5:1 for large text too, and a ratio for single characters and for text
 * with a pseudo-element, which axe otherwise leaves undecided.
 */
const CONTRAST = {
  ignoreUnicode: true,
  ignoreLength: true,
  ignorePseudo: true,
  boldValue: 700,
  boldTextPt: 14,
  largeTextPt: 18,
  contrastRatio: { normal: { expected: 4.5 }, large: { expected: 4.5 } },
  shadowOutlineEmMax: 0.1,
};

/**
 * The accessibility faults of a page or of a part of it, one line each. Text whose contrast cannot be computed is a fault.
 *
 * @param selector the part, as a CSS selector
 */
export async function findAccessibilityFaults(page: Page, selector = 'html'): Promise<string[]> {
  // The page's policy forbids scripts in the document; what the debugger evaluates is exempt.
  if (!(await page.evaluate('"axe" in globalThis'))) {
    await page.evaluate(axe.source);
    await page.evaluate(
      `axe.configure({ checks: [{ id: 'color-contrast', options: ${JSON.stringify(CONTRAST)} }] })`,
    );
  }
  const { violations, incomplete } = await page.evaluate<AxeResults>(`
    // The arrow of a select is an image beside its text. Behind an image, axe computes no contrast.
    for (const select of document.querySelectorAll('select')) select.style.backgroundImage = 'none';
    // In the middle of a transition, which takes long on a busy machine, colours have less contrast than at its end.
    for (const animation of document.getAnimations()) {
      if (Number.isFinite(animation.effect.getComputedTiming().endTime)) animation.finish();
    }
    axe.run(${JSON.stringify(selector)}, {
      runOnly: ${JSON.stringify(RULES)},
      resultTypes: ['violations', 'incomplete'],
    });
  `);
  const undecided = incomplete.filter(({ id }) => id === 'color-contrast');
  return [...violations, ...undecided].flatMap(({ id, nodes }) =>
    nodes.map((node) => describeFault(id, node)),
  );
}

function describeFault(rule: string, { target, any, all, none }: NodeResult): string {
  const reasons = [...any, ...all, ...none].map(({ message }) => message);
  return `${rule}: ${target.join(' ')}: ${reasons[0]}`;
}
