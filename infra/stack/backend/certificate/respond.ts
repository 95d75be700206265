/** What CloudFormation sends to the function behind a custom resource, as far as ours reads it. */
export interface ResourceRequest {
  RequestType: 'Create' | 'Update' | 'Delete';
  /** Where the answer goes: signed, and good for one answer. */
  ResponseURL: string;
  StackId: string;
  RequestId: string;
  LogicalResourceId: string;
  PhysicalResourceId?: string;
  ResourceProperties: Record<string, string>;
}

/**
 * Does what a custom resource is for and tells CloudFormation how it went. Without an answer the deployment would wait for it
 * until its time is up.
 *
 * @param work returns what `Fn::GetAtt` finds: seen by whoever may look at the stack
 * @throws Error when CloudFormation does not take the answer; Lambda then tries again
 */
export async function respond(
  request: ResourceRequest,
  work: () => Promise<Record<string, string>>,
): Promise<void> {
  const { StackId, RequestId, LogicalResourceId, PhysicalResourceId = LogicalResourceId } = request;
  const about = { StackId, RequestId, LogicalResourceId, PhysicalResourceId };
  let answer: object;
  try {
    answer = { ...about, Status: 'SUCCESS', Data: await work() };
  } catch (error) {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : 'Unknown';
    console.error(reason);
    answer = { ...about, Status: 'FAILED', Reason: reason };
  }
  const { ok, status } = await fetch(request.ResponseURL, {
    method: 'PUT',
    // The address may be signed for content of no type, and S3 refuses what has another: by itself text would be sent with one.
    headers: { 'content-type': '' },
    body: JSON.stringify(answer),
  });
  if (!ok) throw new Error(`CloudFormation did not take the answer: ${status}`);
}
