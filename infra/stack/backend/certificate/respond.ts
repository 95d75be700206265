/** CloudFormation's request to the function of a custom resource: the members that are used here. */
export interface ResourceRequest {
  RequestType: 'Create' | 'Update' | 'Delete';
  /** Presigned URL for the response. */
  ResponseURL: string;
  StackId: string;
  RequestId: string;
  LogicalResourceId: string;
  PhysicalResourceId?: string;
  ResourceProperties: Record<string, string>;
}

/**
 * Runs the work of a custom resource and reports its result to CloudFormation. Without a response the deployment would wait until
 * its timeout.
 *
 * @param work returns the attributes for `Fn::GetAtt`. Everybody who may read the stack can see them
 * @throws Error if CloudFormation does not accept the response; Lambda then retries
 */
export async function respond(
  request: ResourceRequest,
  work: () => Promise<Record<string, string>>,
): Promise<void> {
  const { StackId, RequestId, LogicalResourceId, PhysicalResourceId = LogicalResourceId } = request;
  const ids = { StackId, RequestId, LogicalResourceId, PhysicalResourceId };
  let response: object;
  try {
    response = { ...ids, Status: 'SUCCESS', Data: await work() };
  } catch (error) {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : 'Unknown';
    console.error(reason);
    response = { ...ids, Status: 'FAILED', Reason: reason };
  }
  const { ok, status } = await fetch(request.ResponseURL, {
    method: 'PUT',
    // The URL is signed for an empty Content-Type, and S3 rejects any other. `fetch` would add one for text.
    headers: { 'content-type': '' },
    body: JSON.stringify(response),
  });
  if (!ok) throw new Error(`CloudFormation did not accept the response: ${status}`);
}
