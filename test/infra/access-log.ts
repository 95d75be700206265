import type { Template } from 'aws-cdk-lib/assertions';
import { only, resources } from './synthesize.ts';

/** The access log of the API: the format of a line, its fields, and the properties of the log group. */
export function accessLogOf(template: Template) {
  const { Format: format, DestinationArn } = only(template, 'AWS::ApiGatewayV2::Stage').AccessLogSettings as {
    Format: string;
    DestinationArn: { 'Fn::GetAtt': [string] };
  };
  const group = resources(template, 'AWS::Logs::LogGroup')[DestinationArn['Fn::GetAtt'][0]] ?? {};
  const fields: Record<string, string> = JSON.parse(format);
  return { format, fields, group };
}
