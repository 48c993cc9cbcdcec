// The protobuf runtime and the messages of the wire, as far as pages need them.
export { create, fromBinary, toBinary } from '@bufbuild/protobuf';
export { Codec } from '../generated/gifcue/v1/media_pb.js';
export {
  FaultCode, Phase, RegionKind, StreamReactionsRequestSchema, StreamReactionsResponseSchema, SubjectPolicy,
} from '../generated/gifcue/v1/reaction_service_pb.js';
