import { Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { IConstruct } from 'constructs';
import { describe, expect, it } from 'vitest';
import { LONG_RUN } from '../support/long-run.ts';
import { AUTHORIZATIONS, BACKENDS, synthesize, VARIANTS } from './synthesize.ts';

interface Finding {
  rule: string;
  path: string;
}

/** In a short run, every variant has the default authorization, and `memory` also has each other one. */
const variants = [
  ...Object.entries(VARIANTS).flatMap(([backend, chosen]) =>
    Object.entries(AUTHORIZATIONS)
      .filter(([authorization]) => LONG_RUN || authorization === 'iam' || backend === 'memory')
      .map(([authorization, authorized]) => ({
        variant: `${backend} and ${authorization}`,
        context: { ...chosen, ...authorized },
      })),
  ),
  {
    variant: 'elasticache and a traffic shift',
    context: {
      ...BACKENDS.elasticache,
      trafficShift: 'Canary10Percent5Minutes',
      getProvisionedConcurrency: '5',
    },
  },
];

/** The findings of the rules in a construct tree. */
function findings(root: IConstruct, checks = new AwsSolutionsChecks(root)): Finding[] {
  return checks
    .validateScope(root)
    .violations.flatMap(({ ruleName, violatingResources }) =>
      violatingResources.map(({ constructPath = '' }) => ({ rule: ruleName, path: constructPath })),
    );
}

/** The findings without any acknowledgement. */
function allFindings(root: IConstruct): Finding[] {
  return findings(root, Object.assign(new AwsSolutionsChecks(root), { isAcknowledged: () => false }));
}

/** Every acknowledgement of a rule, with the path of the construct that it applies to, including its children. */
function acknowledgements(root: IConstruct): (Finding & { reason: string })[] {
  return root.node.findAll().flatMap(({ node }) =>
    node.metadata
      .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
      .flatMap(({ data }) => Object.entries(data as Record<string, string>))
      .map(([id, reason]) => ({ rule: id.replace(/^annotation::/i, ''), path: node.path, reason }))
      .filter(({ rule }) => rule.startsWith('AwsSolutions-')),
  );
}

const isAbout = (acknowledged: Finding, { rule, path }: Finding) =>
  rule === acknowledged.rule && `${path}/`.startsWith(`${acknowledged.path}/`);

describe.each(variants)('the stack with $variant', ({ context }) => {
  const { app } = synthesize(context);

  it('has no finding of the AWS Solutions rules without an acknowledgement', () => {
    expect(findings(app)).toEqual([]);
  });

  it('has no acknowledgement without a finding', () => {
    const found = allFindings(app);
    const idle = acknowledgements(app).filter((one) => !found.some((finding) => isAbout(one, finding)));
    expect(idle).toEqual([]);
  });

  it('has a sentence as the reason of each acknowledgement, on a construct below the stack', () => {
    for (const { rule, path, reason } of acknowledgements(app)) {
      expect(reason.length, rule).toBeGreaterThan(40);
      expect(path.split('/').length, rule).toBeGreaterThan(1);
    }
  });
});

describe('the check', () => {
  const { app } = synthesize({ ...BACKENDS.memory, ...AUTHORIZATIONS.none });
  const open = { rule: 'AwsSolutions-APIG4', path: expect.stringContaining('/Api') };

  it('reports a violation', () => {
    expect(allFindings(app)).toContainEqual(open);
  });

  it('accepts an acknowledged violation', () => {
    expect(acknowledgements(app)).toContainEqual({
      ...open,
      reason: expect.stringContaining('authorization=none'),
    });
  });
});
